import type { Disk, DiskFile } from '#src/lib/spool/disk.js'

/** What is written and not synced: a part of a file, or its new length. */
type Change = { at: number; data: Buffer } | { length: number }

/** A file apart from its names. */
class Inode {
  /** What every reader sees. */
  content: Buffer = Buffer.alloc(0)
  length = 0
  /** What is there after a crash. */
  durable: Buffer = Buffer.alloc(0)
  pending: Change[] = []

  apply(change: Change): void {
    this.content = applied(this.view, change)
    this.length = this.content.length
    this.pending.push(change)
  }

  get view(): Buffer {
    return this.content.subarray(0, this.length)
  }
}

function applied(content: Buffer, change: Change): Buffer {
  if ('length' in change) {
    const cut = Buffer.alloc(change.length)
    content.copy(cut)
    return cut
  }
  const { at, data } = change
  const grown = Buffer.alloc(Math.max(content.length, at + data.length))
  content.copy(grown)
  data.copy(grown, at)
  return grown
}

export type Call =
  | 'list'
  | 'open'
  | 'write'
  | 'read'
  | 'sync'
  | 'truncate'
  | 'rename'
  | 'remove'
  | 'syncDirectory'

interface Options {
  readonly random: () => number
  /** How long a call takes; at once if it is undefined. */
  readonly wait?: (call: Call) => Promise<void>
}

/** Why a call of a process that has crashed does not end. */
const NEVER = new Promise<never>(() => {})

/**
 * A directory that keeps after a crash what a real one must keep, and anything else only as chance has it. Writes that
 * were not synced are lost, or torn, or there, in any order. Names that were not synced are the old ones or the new.
 */
export class SimulatedDisk {
  /** Names as every process sees them. */
  #names = new Map<string, Inode>()
  /** Names that are there after a crash, and changes that may be. */
  #durableNames = new Map<string, Inode>()
  #renames: ((names: Map<string, Inode>) => void)[] = []
  #mount = 0
  #locked = false
  /** Calls so far. */
  calls = 0
  /** All that its files may take. */
  capacity = Infinity
  isReadOnly = false
  /** Asked before each call: throws what is to go wrong. */
  fault: (call: Call, name: string) => void = () => {}
  /** Which parts of which files cannot be read. */
  unreadable: (name: string, at: number, length: number) => boolean = () => false
  /** A call waits for what this answers. */
  hold: (call: Call) => Promise<void> | undefined = () => undefined
  /** Called before each call; it may crash the disk. */
  onCall: (call: Call, name: string, more: string) => void = () => {}

  constructor(readonly options: Options) {}

  /** The directory, as a process that starts now sees it. */
  mount(): Disk {
    const mount = ++this.#mount
    this.#locked = false
    const run = async <T>(call: Call, name: string, action: () => T, more = ''): Promise<T> => {
      const { wait } = this.options
      await wait?.(call)
      const held = this.hold(call)
      if (held) await held
      if (mount !== this.#mount) return NEVER
      this.calls++
      this.onCall(call, name, more)
      if (mount !== this.#mount) return NEVER
      this.fault(call, name)
      if (this.isReadOnly && !['list', 'open', 'read'].includes(call)) throw failure('EROFS')
      return action()
    }
    const inodeOf = (name: string) => {
      const inode = this.#names.get(name)
      if (!inode) throw failure('ENOENT')
      return inode
    }
    return {
      name: 'simulated disk',
      lock: async () => {
        if (this.#locked) throw new Error('it is used by another process')
        this.#locked = true
        return () => {
          this.#locked = false
        }
      },
      list: () =>
        run('list', '', () => [...this.#names].map(([name, { length }]) => ({ name, bytes: length }))),
      open: (name, mode) =>
        run('open', name, () => {
          if (mode !== 'read' && this.isReadOnly) throw failure('EROFS')
          if (mode === 'create') {
            if (this.#names.has(name)) throw failure('EEXIST')
            const inode = new Inode()
            this.#change(names => names.set(name, inode))
          }
          return this.#file(name, inodeOf(name), run)
        }),
      rename: (from, to) =>
        run('rename', `${from} to ${to}`, () => {
          const inode = inodeOf(from)
          this.#change(names => {
            if (names.get(from) === inode) names.delete(from)
            names.set(to, inode)
          })
        }),
      remove: name =>
        run('remove', name, () => {
          const inode = inodeOf(name)
          this.#change(names => {
            if (names.get(name) === inode) names.delete(name)
          })
        }),
      syncDirectory: () =>
        run('syncDirectory', '', () => {
          for (const change of this.#renames.splice(0)) change(this.#durableNames)
        }),
    }
  }

  /** The machine loses its power: what was mounted answers nothing any more. */
  crash(): void {
    const { random } = this.options
    this.#mount++
    // Changes of names happen in order, up to some moment.
    const kept = Math.floor(random() * (this.#renames.length + 1))
    for (const change of this.#renames.splice(0).slice(0, kept)) change(this.#durableNames)
    this.#names = new Map(this.#durableNames)
    for (const inode of new Set(this.#names.values())) this.#lose(inode)
  }

  /** The process is killed: the machine goes on, and keeps what was written. */
  kill(): void {
    this.#mount++
  }

  get names(): string[] {
    return [...this.#names.keys()]
  }

  get bytes(): number {
    let bytes = 0
    for (const { length } of this.#names.values()) bytes += length
    return bytes
  }

  contentOf(name: string): Buffer {
    return Buffer.from(this.#names.get(name)?.view ?? [])
  }

  /** Damages what is on the disk. */
  flip(name: string, at: number): void {
    const inode = this.#names.get(name)
    if (!inode) return
    for (const bytes of [inode.content, inode.durable])
      if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ 0x10
  }

  put(name: string, content: Buffer): void {
    const inode = new Inode()
    inode.content = Buffer.from(content)
    inode.length = content.length
    inode.durable = Buffer.from(content)
    this.#names.set(name, inode)
    this.#durableNames.set(name, inode)
  }

  delete(name: string): void {
    this.#names.delete(name)
    this.#durableNames.delete(name)
  }

  #change(change: (names: Map<string, Inode>) => void): void {
    change(this.#names)
    this.#renames.push(change)
  }

  #lose(inode: Inode): void {
    const { random } = this.options
    let content = inode.durable
    for (const change of inode.pending) {
      const chance = random()
      if (chance < 0.35) continue
      if (chance < 0.6 && 'data' in change && change.data.length > 0) {
        // A part of it only, and maybe not its beginning: the rest is zeros, or was never there.
        const from = random() < 0.5 ? 0 : Math.floor(random() * change.data.length)
        const to = from + Math.ceil(random() * (change.data.length - from))
        content = applied(content, { at: change.at + from, data: change.data.subarray(from, to) })
      } else content = applied(content, change)
    }
    inode.pending = []
    inode.content = content
    inode.length = content.length
    inode.durable = Buffer.from(content)
  }

  #file(
    name: string,
    inode: Inode,
    run: <T>(call: Call, name: string, action: () => T, more?: string) => Promise<T>,
  ): DiskFile {
    return {
      write: (data, at) => {
        const copy = Buffer.from(data)
        return run(
          'write',
          name,
          () => {
            const room = this.capacity - this.bytes + Math.max(0, inode.length - at)
            if (room < copy.length) {
              if (room > 0) inode.apply({ at, data: copy.subarray(0, room) })
              throw failure('ENOSPC')
            }
            inode.apply({ at, data: copy })
          },
          `${at} ${copy.length} ${copy.toString('latin1').replace(/[^{]*(\{[^}]*\})?/g, '$1')}`,
        )
      },
      read: (at, length) =>
        run('read', name, () => {
          if (this.unreadable(name, at, length)) throw failure('EIO')
          return Buffer.from(inode.view.subarray(at, at + length))
        }),
      sync: async () => {
        try {
          await run('sync', name, () => {
            inode.durable = Buffer.from(inode.view)
            inode.pending = []
          })
        } catch (error) {
          // The pages are clean now: readers see them, and no later sync writes them.
          inode.pending = []
          throw error
        }
      },
      truncate: length =>
        run('truncate', name, () => {
          inode.apply({ length })
          inode.durable = Buffer.from(inode.view)
          inode.pending = []
        }),
      close: async () => {},
    }
  }
}

export function failure(code: string): Error {
  return Object.assign(new Error(`${code}: simulated`), { code })
}
