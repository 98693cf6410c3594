"""Types lines into an interactive zsh and prints what completion makes of each: SCRIPT LINE..."""

import os
import pty
import re
import select
import sys

SETUP = r"""
PS1='> '; autoload -Uz compinit; compinit -u -D; source {script}
show() {{ zle complete-word; print -r -- "<<${{BUFFER}}>>"; BUFFER='' }}
zle -N show; bindkey '^X' show; print -r -- '<<'ready'>>'
"""

pid, terminal = pty.fork()
if pid == 0:
    os.execvp("zsh", ["zsh", "-f", "-i"])

def shown():
    """What comes between the next marks."""
    text = b""
    while True:
        found = re.search(rb"<<([^$\r\n']*)>>", text)
        if found is not None:
            return found.group(1).decode()
        if not select.select([terminal], [], [], 20)[0]:
            sys.exit(f"zsh says no more than {text!r}")
        text += os.read(terminal, 65536)

os.write(terminal, SETUP.format(script=sys.argv[1]).encode())
shown()
for line in sys.argv[2:]:
    os.write(terminal, line.encode() + b"\x18")
    print(shown().rstrip())
os.kill(pid, 9)
