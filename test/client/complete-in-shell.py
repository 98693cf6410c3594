"""Types lines into an interactive shell and prints what completion makes of each: SHELL SCRIPT LINE..."""

import os
import pty
import re
import select
import sys

SHELLS = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        r"""
PS1='> '; bind 'set enable-bracketed-paste off'; bind 'set bell-style none'; source {script}
show() {{ echo "<<$READLINE_LINE>>"; READLINE_LINE=''; }}
bind -x '"\C-t": show'; echo '<<'ready'>>'
""",
        b"\t\x14",
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        r"""
PS1='> '; autoload -Uz compinit; compinit -u -D; source {script}
show() {{ zle complete-word; print -r -- "<<${{BUFFER}}>>"; BUFFER='' }}
zle -N show; bindkey '^X' show; print -r -- '<<'ready'>>'
""",
        b"\x18",
    ),
}

command, setup, complete = SHELLS[sys.argv[1]]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)

def shown():
    """What comes between the next marks."""
    text = b""
    while True:
        found = re.search(rb"<<([^$\r\n']*)>>", text)
        if found is not None:
            return found.group(1).decode()
        if not select.select([terminal], [], [], 20)[0]:
            sys.exit(f"{command[0]} says no more than {text!r}")
        text += os.read(terminal, 65536)

os.write(terminal, setup.format(script=sys.argv[2]).encode())
shown()
for line in sys.argv[3:]:
    os.write(terminal, line.encode() + complete)
    print(shown().rstrip())
os.kill(pid, 9)
