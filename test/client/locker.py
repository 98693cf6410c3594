# Takes locks as it is told: one command a line, one answer a line, "ok", a value or the errno's name.
import errno, fcntl, os, struct, sys

TYPES = {"read": fcntl.F_RDLCK, "write": fcntl.F_WRLCK, "none": fcntl.F_UNLCK}
NAMES = {number: name for name, number in TYPES.items()}
MODES = {"shared": fcntl.LOCK_SH, "exclusive": fcntl.LOCK_EX, "none": fcntl.LOCK_UN}
FLOCK = "hhqqixxxx"  # struct flock on 64-bit Linux
files = {}


def fd(name):
    return files[name]


def run(command, name, *rest):
    if command == "open":
        files[name] = os.open(rest[0], os.O_RDWR | os.O_CREAT, 0o644)
    elif command == "openread":
        files[name] = os.open(rest[0], os.O_RDONLY)
    elif command == "close":
        os.close(files.pop(name))
    elif command == "flock":
        mode, way = rest
        fcntl.flock(fd(name), MODES[mode] | (0 if way == "wait" else fcntl.LOCK_NB))
    elif command in ("fcntl", "ofd"):
        kind, start, length, way = rest
        wanted = struct.pack(FLOCK, TYPES[kind], 0, int(start), int(length), 0)
        calls = {
            "fcntl": {"wait": fcntl.F_SETLKW, "now": fcntl.F_SETLK},
            "ofd": {"wait": 38, "now": 37},
        }
        fcntl.fcntl(fd(name), calls[command][way], wanted)
    elif command == "test":
        kind, start, length = rest
        wanted = struct.pack(FLOCK, TYPES[kind], 0, int(start), int(length), 0)
        kind, _, start, length, pid = struct.unpack(FLOCK, fcntl.fcntl(fd(name), fcntl.F_GETLK, wanted))
        return "free" if kind == fcntl.F_UNLCK else f"{NAMES[kind]} {start} {length} {pid}"
    elif command == "write":
        os.pwrite(fd(name), rest[1].encode(), int(rest[0]))
    elif command == "rewrite":
        files[name] = os.open(rest[0], os.O_WRONLY | os.O_TRUNC)
        os.write(fd(name), rest[1].encode())
    elif command == "remove":
        os.unlink(rest[0])
    elif command == "rename":
        os.rename(rest[0], rest[1])
    elif command == "sync":
        os.fsync(fd(name))
    elif command == "read":
        return "=" + os.pread(fd(name), int(rest[1]), int(rest[0])).decode()
    elif command == "size":
        return str(os.fstat(fd(name)).st_size)
    else:
        return f"no command {command}"
    return "ok"


for line in sys.stdin:
    try:
        answer = run(*line.rstrip("\n").split(" "))
    except OSError as error:
        answer = errno.errorcode[error.errno]
    print(answer, flush=True)
