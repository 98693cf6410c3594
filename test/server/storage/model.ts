import { createHash } from 'node:crypto'
import { FileError } from '../../../server/errors.js'
import { fileName } from '../../../server/storage/path.js'
import { append, overwrite, type Place, type Tree } from '../../../server/storage/storage.js'

/** Operations on a tree, small enough to be written in a line; paths are names joined by "/". */
export type Operation =
  | { kind: 'put'; path: string; seed: number; size: number }
  | { kind: 'write'; path: string; seed: number; size: number; offset: number }
  | { kind: 'append'; path: string; seed: number; size: number }
  | { kind: 'truncate'; path: string; size: number }
  | { kind: 'chmod'; path: string; mode: number }
  | { kind: 'mkdir' | 'unlink' | 'rmdir'; path: string }
  | { kind: 'rename' | 'noreplace' | 'exchange'; path: string; to: string }
  | { kind: 'link' | 'copy'; path: string; to: string }
  | { kind: 'zero'; path: string; offset: number; size: number; extend: boolean }
  | { kind: 'copyRange'; path: string; to: string; offset: number; size: number }

interface File {
  readonly type: 'file'
  mode: number
  content: Buffer
}
interface Directory {
  readonly type: 'directory'
  mode: number
  readonly names: Map<string, Node>
}
type Node = File | Directory

class Refused extends Error {
  readonly code: string
  constructor(code: string) {
    super(code)
    this.code = code
  }
}

/** What a tree must look like, kept in memory by the plainest means. */
export class Model {
  readonly root: Directory

  constructor(root: Directory = { type: 'directory', mode: 0o755, names: new Map() }) {
    this.root = root
  }

  /** Does an operation; answers "ok" or the errno name. Changes nothing if it is refused. */
  apply(operation: Operation): string {
    try {
      this.#apply(operation)
      return 'ok'
    } catch (error) {
      if (error instanceof Refused) return error.code
      throw error
    }
  }

  /** A copy in which hard links are the same links. */
  clone(): Model {
    const seen = new Map<Node, Node>()
    const copy = (node: Node): Node => {
      const known = seen.get(node)
      if (known !== undefined) return known
      const made: Node =
        node.type === 'file'
          ? { ...node }
          : {
              ...node,
              names: new Map([...node.names].map(([name, child]) => [name, copy(child)])),
            }
      seen.set(node, made)
      return made
    }
    return new Model(copy(this.root) as Directory)
  }

  dump(): string {
    const links = new Map<Node, number>()
    const count = (directory: Directory): void => {
      for (const node of directory.names.values()) {
        links.set(node, (links.get(node) ?? 0) + 1)
        if (node.type === 'directory') count(node)
      }
    }
    count(this.root)
    const lines: string[] = []
    const visit = (path: string, node: Node): void => {
      if (node.type === 'file') {
        lines.push(line(path, 'file', node.mode, links.get(node) ?? 0, node.content))
        return
      }
      const children = [...node.names].sort(([a], [b]) =>
        Buffer.compare(Buffer.from(a), Buffer.from(b)),
      )
      const nlink = 2 + children.filter(([, child]) => child.type === 'directory').length
      lines.push(line(path, 'directory', node.mode, nlink, Buffer.alloc(0)))
      for (const [name, child] of children) visit(`${path}/${name}`, child)
    }
    visit('', this.root)
    return lines.join('\n')
  }

  /** Paths of what there is, to pick operations from. */
  paths(): string[] {
    const all: string[] = []
    const visit = (path: string, directory: Directory): void => {
      for (const [name, node] of directory.names) {
        all.push(path + name)
        if (node.type === 'directory') visit(`${path + name}/`, node)
      }
    }
    visit('', this.root)
    return all
  }

  #apply(operation: Operation): void {
    switch (operation.kind) {
      case 'put': {
        const { directory, name } = this.#place(operation.path)
        const data = content(operation.seed, operation.size)
        const node = directory.names.get(name)
        if (node?.type === 'directory') throw new Refused('EISDIR')
        if (node === undefined)
          directory.names.set(name, { type: 'file', mode: 0o644, content: data })
        else node.content = data
        return
      }
      case 'write':
      case 'append': {
        const file = this.#file(operation.path)
        const offset = operation.kind === 'write' ? operation.offset : file.content.length
        const data = content(operation.seed, operation.size)
        if (data.length === 0) return
        const next = Buffer.alloc(Math.max(file.content.length, offset + data.length))
        file.content.copy(next)
        data.copy(next, offset)
        file.content = next
        return
      }
      case 'truncate': {
        const file = this.#file(operation.path)
        const next = Buffer.alloc(operation.size)
        file.content.copy(next)
        file.content = next
        return
      }
      case 'zero': {
        this.#node(operation.path)
        if (operation.size === 0) throw new Refused('EINVAL')
        const file = this.#file(operation.path)
        const end = operation.offset + operation.size
        const length = operation.extend ? Math.max(file.content.length, end) : file.content.length
        const next = Buffer.alloc(length)
        file.content.copy(next)
        file.content = next.fill(0, Math.min(operation.offset, length), Math.min(end, length))
        return
      }
      case 'copyRange': {
        this.#node(operation.path)
        this.#node(operation.to)
        const from = this.#file(operation.path)
        const to = this.#file(operation.to)
        const data = from.content.subarray(0, operation.size)
        if (data.length === 0) return
        if (from === to && operation.offset < data.length) throw new Refused('EINVAL')
        const next = Buffer.alloc(Math.max(to.content.length, operation.offset + data.length))
        to.content.copy(next)
        data.copy(next, operation.offset)
        to.content = next
        return
      }
      case 'chmod':
        this.#node(operation.path).mode = operation.mode
        return
      case 'mkdir': {
        const { directory, name } = this.#free(operation.path)
        directory.names.set(name, { type: 'directory', mode: 0o755, names: new Map() })
        return
      }
      case 'unlink':
      case 'rmdir': {
        const { directory, name } = this.#place(operation.path)
        const node = this.#node(operation.path)
        if (operation.kind === 'unlink' && node.type === 'directory') throw new Refused('EISDIR')
        if (operation.kind === 'rmdir' && node.type !== 'directory') throw new Refused('ENOTDIR')
        if (node.type === 'directory' && node.names.size > 0) throw new Refused('ENOTEMPTY')
        directory.names.delete(name)
        return
      }
      case 'link': {
        const node = this.#node(operation.path)
        if (node.type === 'directory') throw new Refused('EPERM')
        const { directory, name } = this.#free(operation.to)
        directory.names.set(name, node)
        return
      }
      case 'copy': {
        const node = this.#node(operation.path)
        const { directory, name } = this.#place(operation.to)
        const target = directory.names.get(name)
        if (target === node) throw new Refused('EPERM')
        if (target !== undefined) refuseReplacing(node, target)
        const copied = new Model({
          type: 'directory',
          mode: 0,
          names: new Map([['x', node]]),
        }).clone()
        directory.names.set(name, separated(copied.root.names.get('x') ?? node))
        return
      }
      case 'rename':
      case 'noreplace':
      case 'exchange':
        this.#rename(operation)
    }
  }

  #rename(operation: {
    kind: 'rename' | 'noreplace' | 'exchange'
    path: string
    to: string
  }): void {
    const from = this.#place(operation.path)
    const node = this.#node(operation.path)
    const to = this.#place(operation.to)
    const target = to.directory.names.get(to.name)
    if (operation.kind === 'noreplace' && target !== undefined) throw new Refused('EEXIST')
    if (operation.kind === 'exchange' && target === undefined) throw new Refused('ENOENT')
    if (target === node) return
    if (contains(node, to.directory)) throw new Refused('EINVAL')
    if (operation.kind === 'exchange' && target !== undefined) {
      if (contains(target, from.directory)) throw new Refused('EINVAL')
      to.directory.names.set(to.name, node)
      from.directory.names.set(from.name, target)
      return
    }
    if (target !== undefined) refuseReplacing(node, target)
    from.directory.names.delete(from.name)
    to.directory.names.set(to.name, node)
  }

  #place(path: string): { directory: Directory; name: string } {
    const names = path.split('/')
    const name = names.pop() ?? ''
    let directory = this.root
    for (const one of names) {
      const next = directory.names.get(one)
      if (next === undefined) throw new Refused('ENOENT')
      if (next.type !== 'directory') throw new Refused('ENOTDIR')
      directory = next
    }
    return { directory, name }
  }

  #free(path: string): { directory: Directory; name: string } {
    const place = this.#place(path)
    if (place.directory.names.has(place.name)) throw new Refused('EEXIST')
    return place
  }

  #node(path: string): Node {
    const { directory, name } = this.#place(path)
    const node = directory.names.get(name)
    if (node === undefined) throw new Refused('ENOENT')
    return node
  }

  #file(path: string): File {
    const node = this.#node(path)
    if (node.type === 'directory') throw new Refused('EISDIR')
    return node
  }
}

function refuseReplacing(node: Node, target: Node): void {
  if (node.type === 'directory' && target.type !== 'directory') throw new Refused('ENOTDIR')
  if (node.type !== 'directory' && target.type === 'directory') throw new Refused('EISDIR')
  if (target.type === 'directory' && target.names.size > 0) throw new Refused('ENOTEMPTY')
}

function contains(node: Node, other: Directory): boolean {
  if (node === other) return true
  if (node.type === 'file') return false
  return [...node.names.values()].some((child) => contains(child, other))
}

/** A copy in which no two names are the same file: a copy on the server does not keep hard links. */
function separated(node: Node): Node {
  if (node.type === 'file') return { ...node }
  return {
    ...node,
    names: new Map([...node.names].map(([name, child]) => [name, separated(child)])),
  }
}

/** Bytes that a seed stands for. */
function content(seed: number, size: number): Buffer {
  return Buffer.alloc(size, `<${seed}>`)
}

function line(path: string, type: string, mode: number, nlink: number, data: Buffer): string {
  const hash = createHash('sha1').update(data).digest('hex').slice(0, 12)
  return `${path} ${type} ${mode.toString(8)} ${nlink} ${data.length} ${hash}`
}

/** The same of a real tree, below a directory. */
export async function dump(tree: Tree, ino: number): Promise<string> {
  const lines: string[] = []
  const visit = async (path: string, at: number): Promise<void> => {
    const { type, mode, nlink, size } = await tree.stat(at)
    if (type === 'file') {
      const open = await tree.open(at)
      const chunks: Buffer[] = []
      for await (const chunk of open.stream(0, size - 1)) chunks.push(chunk)
      lines.push(line(path, type, mode, nlink, Buffer.concat(chunks)))
      return
    }
    lines.push(line(path, type, mode, nlink, Buffer.alloc(0)))
    for (const { name, inode } of await tree.list(at, { limit: 10_000 })) {
      await visit(`${path}/${name}`, inode.ino)
    }
  }
  await visit('', ino)
  return lines.join('\n')
}

/** Does an operation on a real tree, below a directory; answers "ok" or the errno name. */
export async function perform(tree: Tree, root: number, operation: Operation): Promise<string> {
  try {
    await performed(tree, root, operation)
    return 'ok'
  } catch (error) {
    if (error instanceof FileError) return error.code
    throw error
  }
}

async function performed(tree: Tree, root: number, operation: Operation): Promise<void> {
  const place = async (path: string): Promise<Place> => {
    const names = path.split('/').map(fileName)
    const name = names.pop()
    if (name === undefined) throw new Error('no name')
    return { directory: (await tree.walk(root, names)).ino, name }
  }
  const ino = async (path: string) => (await tree.walk(root, path.split('/').map(fileName))).ino
  const attributes = { mode: 0o644, uid: 0, gid: 0 }
  switch (operation.kind) {
    case 'put': {
      const upload = await tree.upload()
      await upload.write(pieces(content(operation.seed, operation.size)))
      await upload.commit(await place(operation.path), {}, overwrite, {})
      return
    }
    case 'write':
    case 'append': {
      const offset = operation.kind === 'write' ? operation.offset : append
      const data = content(operation.seed, operation.size)
      await tree.write(await ino(operation.path), [{ offset, data }], overwrite, {})
      return
    }
    case 'truncate':
      await tree.setAttributes(await ino(operation.path), { size: operation.size }, overwrite, {})
      return
    case 'zero': {
      const { offset, size: length, extend } = operation
      await tree.zero(await ino(operation.path), { offset, length, extend }, overwrite, {})
      return
    }
    case 'copyRange': {
      const from = { ino: await ino(operation.path), offset: 0 }
      const to = { ino: await ino(operation.to), offset: operation.offset }
      await tree.copyRange({ from, to, length: operation.size }, overwrite, {})
      return
    }
    case 'chmod':
      await tree.setAttributes(await ino(operation.path), { mode: operation.mode }, overwrite, {})
      return
    case 'mkdir':
      await tree.make(
        await place(operation.path),
        { type: 'directory' },
        { ...attributes, mode: 0o755 },
        {},
      )
      return
    case 'unlink':
    case 'rmdir': {
      const how = { kind: operation.kind, keep: false, precondition: overwrite }
      await tree.remove(await place(operation.path), how, {})
      return
    }
    case 'link':
      await tree.link(await ino(operation.path), await place(operation.to), {})
      return
    case 'copy': {
      const how = { deep: true, source: overwrite, precondition: overwrite }
      await tree.copy(await ino(operation.path), await place(operation.to), how, {})
      return
    }
    case 'rename':
    case 'noreplace':
    case 'exchange': {
      const mode = operation.kind === 'rename' ? 'replace' : operation.kind
      const how = { mode, keep: false, source: overwrite, precondition: overwrite } as const
      await tree.rename(await place(operation.path), await place(operation.to), how, {})
    }
  }
}

async function* pieces(data: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < data.length; at += 65_536) yield data.subarray(at, at + 65_536)
}

/** A model of what there is below a directory. */
export async function load(tree: Tree, root: number): Promise<Model> {
  const model = new Model()
  const known = new Map<number, File>()
  const visit = async (directory: Directory, ino: number): Promise<void> => {
    for (const { name, inode } of await tree.list(ino, { limit: 10_000 })) {
      if (inode.type === 'directory') {
        const made: Directory = { type: 'directory', mode: inode.mode, names: new Map() }
        directory.names.set(name, made)
        await visit(made, inode.ino)
        continue
      }
      const data = Buffer.alloc(inode.size)
      const file = known.get(inode.ino) ?? { type: 'file', mode: inode.mode, content: data }
      known.set(inode.ino, file)
      directory.names.set(name, file)
    }
  }
  await visit(model.root, root)
  return model
}
