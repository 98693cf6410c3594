import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { platform } from 'node:os'
import { promisify } from 'node:util'
import { codeOf } from '../error-of.js'
import { type Koffi, koffi } from '../koffi.js'
import type { MountOptions } from './filesystem.js'
import { MountError, type MountErrorCode } from './mount-error.js'
import type { Device, Watched } from './reader.js'
import { watchedDevice } from './watched-device.js'

/** Where a set-user-ID fusermount3 may be; NixOS has such programs in /run/wrappers. */
const SEARCH = '/run/wrappers/bin:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin'
/** The second speaks the same protocol, and is all that old systems have. */
const PROGRAMS: readonly string[] = ['fusermount3', 'fusermount']

/** What fusermount3 says (in English: LC_ALL=C), as codes. First match wins. */
const COMPLAINTS: readonly [RegExp, MountErrorCode][] = [
  [/user_allow_other/, 'allow-other-denied'],
  [/too many FUSE filesystems/, 'too-many-mounts'],
  [/fuse device not found/, 'no-device'],
  [/failed to open \/dev\/fuse/, 'device-denied'],
  [/not found in \/etc\/mtab|Invalid argument|not mounted/, 'not-mounted'],
  [/Device or resource busy|target is busy/, 'busy'],
  [/Transport endpoint is not connected/, 'stale'],
  [/has no write access|not owned by user|bad mount point/, 'mount-point-denied'],
  [/Operation not permitted|Permission denied/, 'not-permitted'],
]

/** Mounts, and returns the device over which the kernel speaks. Works for every user: fusermount3 has the rights. */
export async function mountedDevice(directory: string, options: MountOptions): Promise<Device> {
  const { socketpair, receiveDescriptor, watched } = systemCalls()
  const [ours, theirs] = socketpair()
  try {
    const child = run(['-o', mountOptions(options), '--', directory], theirs)
    const failure = complaint(await child, directory)
    if (failure !== undefined) throw failure
    const descriptor = await receiveDescriptor(ours)
    return { descriptor, watched: watched(descriptor) }
  } finally {
    closeSync(ours)
    closeSync(theirs)
  }
}

export async function unmountDirectory(directory: string, lazy: boolean): Promise<void> {
  const done =
    platform() === 'darwin'
      ? run([...(lazy ? ['-f'] : []), directory], undefined, ['umount'])
      : run(['-u', ...(lazy ? ['-z'] : []), '--', directory])
  const failure = complaint(await done, directory)
  if (failure !== undefined) throw failure
}

/** A comma or a backslash in a value is escaped by a backslash. */
const escaped = (value: string): string => value.replace(/[\\,]/g, '\\$&')

function mountOptions(options: MountOptions): string {
  return [
    `fsname=${escaped(options.fsname)}`,
    `subtype=${escaped(options.subtype)}`,
    ...(options.readOnly ? ['ro'] : []),
    ...(options.noExec ? ['noexec'] : []),
    ...(options.allowOther ? ['allow_other'] : []),
    ...(options.defaultPermissions ? ['default_permissions'] : []),
  ].join(',')
}

interface Outcome {
  readonly status: number | null
  readonly said: string
}

/** fusermount3 sends the descriptor over the socket whose number _FUSE_COMMFD gives: here always 3. */
async function run(
  args: readonly string[],
  socket?: number,
  programs: readonly string[] = PROGRAMS,
): Promise<Outcome> {
  for (const program of programs) {
    try {
      return await outcome(
        spawn(program, args, {
          stdio: ['ignore', 'ignore', 'pipe', ...(socket === undefined ? [] : [socket])],
          env: { PATH: SEARCH, LC_ALL: 'C', _FUSE_COMMFD: '3' },
        }),
      )
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
    }
  }
  throw new MountError('no-fusermount', programs.join(', '))
}

function outcome(child: ChildProcess): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    let said = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(0, 4096)
    })
    child.on('error', reject)
    child.on('close', (status) => resolve({ status, said }))
  })
}

function complaint({ status, said }: Outcome, directory: string): MountError | undefined {
  if (status === 0) return undefined
  const cause = new Error(said.trim() || `fusermount3 ended with ${status}`)
  const code = COMPLAINTS.find(([words]) => words.test(said))?.[1]
  return code === undefined
    ? new MountError('failed', cause.message, { cause })
    : new MountError(code, directory, { cause })
}

const AF_UNIX = 1
const SOCK_STREAM = 1
const SOCK_CLOEXEC = 0x80000
/** No program we start may inherit the descriptor: it would keep the mount alive. */
const MSG_CMSG_CLOEXEC = 0x40000000

/** struct cmsghdr on 64 bits: length (8 bytes), level, type; then the descriptor. */
const CONTROL_SIZE = 24
const CONTROL_LENGTH = 20
const CONTROL_DATA = 16

export interface SystemCalls {
  socketpair(): [number, number]
  /** Waits for the descriptor that comes over the socket (SCM_RIGHTS, man 7 unix). */
  receiveDescriptor(socket: number): Promise<number>
  /** Undefined where the kernel cannot (before Linux 4.2), or the user may no longer open /dev/fuse. */
  watched(descriptor: number): Watched | undefined
}

/** _IOR(229, 0, uint32_t) */
const FUSE_DEV_IOC_CLONE = 0x8004e500

/** The calls Node does not have. */
export function systemCalls(): SystemCalls {
  const native = loaded()
  const libc = native.load(null)
  const socketpair = libc.func('int socketpair(int domain, int type, int protocol, _Out_ int *sv)')
  const recvmsg = libc.func('int64_t recvmsg(int socket, void *message, int flags)')
  const ioctl = libc.func('int ioctl(int device, unsigned long request, void *argument)')
  const recvmsgAsync = promisify(recvmsg.async) as (...args: unknown[]) => Promise<number>
  const connected = (): [number, number] => {
    const pair: [number, number] = [-1, -1]
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) !== 0) {
      throw new MountError('failed', 'socketpair(2) failed; are too many files open?')
    }
    return pair
  }
  return {
    socketpair: connected,
    receiveDescriptor: async (socket) => {
      const data = Buffer.alloc(1)
      const control = Buffer.alloc(CONTROL_SIZE)
      const vector = Buffer.alloc(16)
      vector.writeBigUInt64LE(native.address(data), 0)
      vector.writeBigUInt64LE(1n, 8)
      // struct msghdr on 64 bits: name, its length, vectors, their count, control, its length, flags
      const message = Buffer.alloc(56)
      message.writeBigUInt64LE(native.address(vector), 16)
      message.writeBigUInt64LE(1n, 24)
      message.writeBigUInt64LE(native.address(control), 32)
      message.writeBigUInt64LE(BigInt(CONTROL_SIZE), 40)
      const received = await recvmsgAsync(socket, message, MSG_CMSG_CLOEXEC)
      if (received <= 0 || control.readUInt32LE(0) !== CONTROL_LENGTH) {
        throw new MountError('failed', 'fusermount3 sent no descriptor')
      }
      return control.readInt32LE(CONTROL_DATA)
    },
    watched: (original) => {
      const descriptor = nonblockingDevice()
      if (descriptor === undefined) return undefined
      const argument = Buffer.alloc(4)
      argument.writeUInt32LE(original)
      if (ioctl(descriptor, FUSE_DEV_IOC_CLONE, argument) !== 0) {
        closeSync(descriptor)
        return undefined
      }
      return watchedDevice(native, connected, descriptor)
    },
  }
}

function loaded(): Koffi {
  try {
    return koffi()
  } catch (cause) {
    throw new MountError('no-koffi', 'koffi', { cause })
  }
}

/** Node opens with O_CLOEXEC. */
function nonblockingDevice(): number | undefined {
  try {
    return openSync('/dev/fuse', constants.O_RDWR | constants.O_NONBLOCK)
  } catch {
    return undefined
  }
}
