import { chmod, rm } from 'node:fs/promises'
import { createConnection, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { CommandError } from '../command-error.js'
import { jsonOrNothing } from '../login/account.js'

/** A mount's unix socket: one JSON line asks, JSON lines answer, the last one says how it ended. */

const REQUEST = z.discriminatedUnion('command', [
  z.object({ command: z.literal('status') }),
  /** There is a new login: nothing is answered. */
  z.object({ command: z.literal('login') }),
  z.object({ command: z.literal('unmount'), force: z.boolean() }),
])
export type ControlRequest = z.infer<typeof REQUEST>

const PENDING = z.object({ bytes: z.number(), files: z.number() })
export type PendingWrites = z.infer<typeof PENDING>

const MOUNT_STATUS = z.object({
  directory: z.string(),
  server: z.string(),
  remote: z.string(),
  readOnly: z.boolean(),
  binding: z.string(),
  pid: z.number(),
  since: z.string(),
  connection: z.object({
    state: z.enum(['connected', 'away', 'untrusted', 'incompatible']),
    since: z.string().optional(),
    trouble: z.string().optional(),
  }),
  login: z.object({ state: z.enum(['alive', 'dead', 'none']), message: z.string().optional() }),
  /** `live`: told of others' changes at once; `polled`: looks for them after a second. */
  changes: z.enum(['live', 'polled']),
  /** `gone`: what the mount shows was removed from the server. */
  folder: z.enum(['there', 'gone']).default('there'),
  pending: PENDING,
  /** What another machine changed too (docs/mount.md): written over, put into copies beside it, left as it did it. */
  conflicts: z.object({
    overwritten: z.number(),
    copies: z.number(),
    yielded: z.number().default(0),
  }),
  /** What programs read, and what of it came from the local disk and from the server; the rest was in memory. */
  reads: z.object({
    served: z.object({ reads: z.number(), bytes: z.number() }),
    disk: z.object({ blocks: z.number(), bytes: z.number() }),
    network: z.object({ reads: z.number(), bytes: z.number() }),
  }),
  requests: z.object({
    sent: z.number(),
    failed: z.number(),
    perSecond: z.number(),
    medianMilliseconds: z.number().optional(),
    p99Milliseconds: z.number().optional(),
  }),
  log: z.string().optional(),
})
export type MountStatus = z.infer<typeof MOUNT_STATUS>

const REPLY = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('status'), status: MOUNT_STATUS }),
  /** `trouble`: why the server gets nothing now. */
  z.object({ kind: z.literal('pending'), pending: PENDING, trouble: z.string().optional() }),
  /** `kept`: in the journal, which the next mount sends. */
  z.object({ kind: z.literal('unmounted'), lost: PENDING, kept: PENDING.optional() }),
  z.object({ kind: z.literal('failed'), message: z.string() }),
])
export type ControlReply = z.infer<typeof REPLY>

/** @param over fulfilled once the mount has given back all that it had, and ends */
export type ControlHandler = (
  request: ControlRequest,
  over: Promise<void>,
) => AsyncIterable<ControlReply>

const LINE_LIMIT = 64 * 1024

/** A mount answers at once, and says every half second that it is still at it. */
const SILENCE_MILLISECONDS = 10_000

export interface Control {
  /** Lets the answers under way end, and hangs up on whoever has not asked anything. */
  close(): Promise<void>
}

export async function openControl(path: string, handle: ControlHandler): Promise<Control> {
  await rm(path, { force: true })
  const open = new Set<Socket>()
  const answering = new Set<Socket>()
  let end = (): void => {}
  const over = new Promise<void>((resolve) => {
    end = resolve
  })
  const server = createServer((socket) => {
    open.add(socket)
    socket.once('close', () => {
      open.delete(socket)
      answering.delete(socket)
    })
    socket.on('error', () => socket.destroy())
    const answer = (request: ControlRequest): AsyncIterable<ControlReply> => {
      answering.add(socket)
      return handle(request, over)
    }
    serve(socket, answer).catch(() => socket.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  await chmod(path, 0o600)
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        end()
        for (const socket of open) if (!answering.has(socket)) socket.end()
      }),
  }
}

async function serve(
  socket: Socket,
  handle: (request: ControlRequest) => AsyncIterable<ControlReply>,
): Promise<void> {
  let received = 0
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length
    if (received > LINE_LIMIT) socket.destroy()
  })
  const lines = createInterface({ input: socket })
  lines.on('error', () => {}) // whoever asked has gone, and the socket knows
  for await (const line of lines) {
    const request = REQUEST.safeParse(jsonOrNothing(line))
    socket.resume() // or nobody would notice that it is closed
    if (!request.success) {
      send(socket, { kind: 'failed', message: 'the mount does not know this command' })
    } else {
      for await (const reply of handle(request.data)) {
        if (!socket.writable) break // what was asked for is not wanted any more
        send(socket, reply)
      }
    }
    break
  }
  socket.end()
}

function send(socket: Socket, reply: ControlReply): void {
  if (socket.writable) socket.write(`${JSON.stringify(reply)}\n`)
}

/** A mount of another version says something else. */
const UNKNOWN = { kind: 'unknown' } as const

/** Asks a running mount. @throws CommandError if nobody listens or answers; the reason of `stop` */
export async function* askMount(
  path: string,
  request: ControlRequest,
  stop: AbortSignal,
  silenceMilliseconds = SILENCE_MILLISECONDS,
): AsyncGenerator<ControlReply | typeof UNKNOWN> {
  stop.throwIfAborted()
  const socket = createConnection(path)
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
  } catch (cause) {
    throw new NobodyListens(`the mount's process does not answer at ${path}`, { cause })
  }
  const stopped = (): void => void socket.destroy(stop.reason)
  stop.addEventListener('abort', stopped, { once: true })
  socket.setTimeout(silenceMilliseconds, () => {
    socket.destroy(new NobodyAnswers("the mount's process does not answer"))
  })
  socket.write(`${JSON.stringify(request)}\n`)
  const lines = createInterface({ input: socket })
  lines.on('error', () => {}) // also told to whoever reads the lines
  try {
    for await (const line of lines) {
      yield REPLY.safeParse(jsonOrNothing(line)).data ?? UNKNOWN
    }
  } finally {
    stop.removeEventListener('abort', stopped)
    socket.destroy()
  }
}

/** The process of a mount has gone without removing its record. */
export class NobodyListens extends CommandError {}

/** The process of a mount is there, but stopped or stuck. */
export class NobodyAnswers extends CommandError {}
