import { BoundedMap } from '../../server/bounded-map.js'
import { HEADERS } from '../../server/wire/headers.js'
import { NAME_MAX, type WireAttributes } from '../../server/wire/inodes.js'
import type { Begun } from '../http/connection.js'
import type { Answer, Exchange } from '../http/exchange.js'
import { type Attempt, persistently, type RetryOptions, settled } from '../http/retry.js'
import type { UploadContent } from '../http/upload-content.js'
import { hasCode, RemoteError } from '../remote-error.js'
import type { Attempts } from './attempts.js'
import type { Changed } from './remote-files.js'
import { bodyMade, headerAttributes, ofServer, successful } from './wire-answer.js'
import { nonsense } from './wire-values.js'

/** Where the requests of one mount go, and how they are sent. */
export interface Transport {
  send(exchange: Exchange): Promise<Answer>
  /** Base of the file API: scheme, host, port and perhaps a path, no slash at the end. */
  readonly base: string
  /** Makes what is sent this mount's. */
  readonly connectionSecret: string
  readonly attempts: Attempts
  readonly retry: Omit<RetryOptions, 'signal'>
}

export interface FileRequest {
  readonly method: string
  readonly target: string
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly content?: Buffer | UploadContent
  readonly signal?: AbortSignal | undefined
  readonly limit?: number
  /** It asks what became of an attempt that was given up: from here on nothing may come of that any more. */
  readonly settles?: true
}

/** Room for the longest answer that is not a file's bytes: one page of a directory. */
const ANSWER_LIMIT = 16 * 1024 * 1024
const KNOWN_NAMES = 32_768

/** Sends requests of the file API again and again until they are answered, and remembers what is needed to tell what a lost answer said. */
export class FileRequests {
  readonly #transport: Transport
  readonly #names: BoundedMap<string, number>
  readonly #others: { newest: number }

  constructor(transport: Transport, sharing?: FileRequests) {
    this.#transport = transport
    this.#names = sharing === undefined ? new BoundedMap(KNOWN_NAMES) : sharing.#names
    this.#others = sharing === undefined ? { newest: -1 } : sharing.#others
  }

  /** The same, for what may have been carried out already on another way. */
  again(): FileRequests {
    const retry = { ...this.#transport.retry, earlier: 'perhaps done' } as const
    return new FileRequests({ ...this.#transport, retry }, this)
  }

  /** Something is asked on another way. */
  begin(): Begun {
    return this.#transport.retry.connection.begin()
  }

  /** The server answered on another way. */
  reached(exchange: Begun): void {
    this.#transport.retry.connection.reached(exchange)
  }

  retry<T>(attempt: Attempt<T>, signal?: AbortSignal): Promise<T> {
    return persistently(attempt, { ...this.#transport.retry, signal })
  }

  /** One try; whatever the server said comes back. */
  async ask(request: FileRequest): Promise<Answer> {
    const { method, target, json, signal } = request
    const { send, base, connectionSecret, attempts } = this.#transport
    const content = json === undefined ? request.content : Buffer.from(JSON.stringify(json))
    const sent = (fields: Readonly<Record<string, string>>) =>
      send({
        method,
        url: new URL(base + target),
        headers: {
          [HEADERS.connection]: connectionSecret,
          ...(json === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...request.headers,
          ...fields,
        },
        ...(content === undefined ? {} : { content }),
        limit: request.limit ?? ANSWER_LIMIT,
        signal,
      })
    if (request.settles === true) return ofServer(settled(await attempts.settling(sent)))
    const changes = method !== 'GET' && method !== 'HEAD'
    const answer = ofServer(settled(await (changes ? attempts.request(sent) : sent({}))))
    const others = answer.headers[HEADERS.others.toLowerCase()]
    if (others !== undefined) this.heardOfOthers(Number(others))
    return answer
  }

  /** One try that must succeed. @throws RemoteError with the server's code */
  async succeed(request: FileRequest): Promise<Answer> {
    return successful(await this.ask(request))
  }

  /** For requests that may safely be carried out twice. */
  repeated(request: FileRequest): Promise<Answer> {
    return this.retry(() => this.succeed(request), request.signal)
  }

  nameChange(): string {
    return this.#transport.attempts.nameChange()
  }

  /** The inode as it is now, if the server has made the change of it that was named so. */
  async made(
    ino: number,
    change: string,
    durability: 'power' | 'process',
    by?: string,
  ): Promise<Changed | undefined> {
    const answer = await this.succeed({
      method: 'GET',
      target: `/inodes/${ino}?change=${change}`,
      headers: {
        [HEADERS.durability]: durability,
        ...(by === undefined ? {} : { [HEADERS.connection]: by }),
      },
      // What another one gave up nobody knows any more.
      ...(by === undefined ? { settles: true } : {}),
    })
    const { made, version } = bodyMade(answer)
    if (!made) return undefined
    const now = this.seenOf(ino, headerAttributes(answer))
    return version === undefined ? now : { ...now, made: version }
  }

  /** The number of what was made in a directory, if the server has made what was named so. */
  async madeIno(directory: number, change: string): Promise<number | undefined> {
    const answer = await this.ask({
      method: 'GET',
      target: `/inodes/${directory}?change=${change}`,
      headers: { [HEADERS.durability]: 'process' },
      settles: true,
    })
    // the directory itself is gone
    if (answer.status === 404 || answer.status === 410) return undefined
    return bodyMade(successful(answer)).ino
  }

  async lookup(directory: number, name: string, signal?: AbortSignal): Promise<WireAttributes> {
    const answer = await this.succeed({ method: 'HEAD', target: namePath(directory, name), signal })
    return this.seen(headerAttributes(answer), directory, name)
  }

  async lookupOrNone(directory: number, name: string): Promise<WireAttributes | undefined> {
    try {
      return await this.lookup(directory, name)
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined
      throw error
    }
  }

  /** What stands there, of which nothing that was given up before takes it away or puts something else in its place any more. */
  async left(directory: number, name: string): Promise<WireAttributes | undefined> {
    const target = namePath(directory, name)
    const answer = await this.ask({ method: 'HEAD', target, settles: true })
    if (answer.status === 404) return undefined
    return headerAttributes(successful(answer))
  }

  async stat(ino: number, signal?: AbortSignal): Promise<WireAttributes> {
    const answer = await this.succeed({ method: 'HEAD', target: `/inodes/${ino}`, signal })
    return this.seenOf(ino, headerAttributes(answer))
  }

  /** An answer has said up to which change of others there is something to hear. */
  heardOfOthers(newest: number): void {
    if (newest > this.#others.newest) this.#others.newest = newest
  }

  /** The server counts anew, perhaps from an earlier state of its disk: what was said before may never come. */
  countedAnew(): void {
    this.#others.newest = -1
  }

  /** -1 where no answer has said. */
  get newestOfOthers(): number {
    return this.#others.newest
  }

  /** Remembers what a name led to. */
  seen(attributes: WireAttributes, directory?: number, name?: string): WireAttributes {
    if (directory !== undefined && name !== undefined) {
      this.#names.set(`${directory}/${name}`, attributes.ino)
    }
    return attributes
  }

  /**
   * The same, of an inode that was asked for by its number.
   * @throws RemoteError EIO for another one: the kernel gives up what turns out to be something else, the root, too
   */
  seenOf(ino: number, attributes: WireAttributes): WireAttributes {
    if (attributes.ino !== ino) throw nonsense(`it is about inode ${attributes.ino}, not ${ino}`)
    return this.seen(attributes)
  }

  found(directory: number, name: string, ino: number): void {
    this.#names.set(`${directory}/${name}`, ino)
  }

  unseen(directory: number, name: string): void {
    this.#names.delete(`${directory}/${name}`)
  }

  knownIno(directory: number, name: string): number | undefined {
    return this.#names.get(`${directory}/${name}`)
  }
}

/** `/inodes/{ino}/{name}` of docs/file-api.md. @throws RemoteError for what cannot be a name */
export function namePath(directory: number, name: string): string {
  if (!name.isWellFormed()) throw new RemoteError('EILSEQ', 'a name must be valid UTF-8')
  if (Buffer.byteLength(name) > NAME_MAX) {
    throw new RemoteError('ENAMETOOLONG', `a name must be at most ${NAME_MAX} bytes`)
  }
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) {
    throw new RemoteError('EINVAL', `"${name}" is not a name`)
  }
  return `/inodes/${directory}/${encodeURIComponent(name)}`
}
