import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Disk, DiskFile } from './disk.js'
import { lockDirectory } from './lock.js'

/** At most so many calls at one time: a disk that hangs must not take all threads that Node has for calls that wait. */
const MAX_CALLS = 3

const FLAGS = { create: 'wx+', write: 'r+', read: 'r' } as const

/** A directory of this machine. `lock` makes it where it does not exist. */
export class RealDisk implements Disk {
  readonly name: string
  readonly #calls = new Calls(MAX_CALLS)

  constructor(readonly directory: string) {
    this.name = `spool ${directory}`
  }

  async lock(): Promise<() => void> {
    await this.#make()
    return lockDirectory(this.directory)
  }

  async list(): Promise<{ name: string; bytes: number }[]> {
    const entries = await readdir(this.directory, { withFileTypes: true }).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return []
        throw error
      },
    )
    const files: { name: string; bytes: number }[] = []
    for (const entry of entries) {
      if (!entry.isFile()) continue
      const { size } = await stat(join(this.directory, entry.name))
      files.push({ name: entry.name, bytes: size })
    }
    return files
  }

  async open(name: string, mode: keyof typeof FLAGS): Promise<DiskFile> {
    const handle = await this.#calls.run(() => open(join(this.directory, name), FLAGS[mode], 0o640))
    return new RealFile(handle, this.#calls)
  }

  rename(from: string, to: string): Promise<void> {
    return this.#calls.run(() => rename(join(this.directory, from), join(this.directory, to)))
  }

  remove(name: string): Promise<void> {
    return this.#calls.run(() => rm(join(this.directory, name)))
  }

  syncDirectory(): Promise<void> {
    return this.#calls.run(() => syncDirectory(this.directory))
  }

  async #make(): Promise<void> {
    const made = await mkdir(this.directory, { recursive: true, mode: 0o750 })
    // The names of what was made must be on the disk, too.
    for (let path = this.directory; made && path.length >= made.length; path = dirname(path))
      await syncDirectory(dirname(path))
  }
}

class RealFile implements DiskFile {
  constructor(
    readonly handle: FileHandle,
    readonly calls: Calls,
  ) {}

  async write(data: Uint8Array, at: number): Promise<void> {
    for (let written = 0; written < data.length; ) {
      const { bytesWritten } = await this.calls.run(() =>
        this.handle.write(data, written, data.length - written, at + written),
      )
      if (bytesWritten === 0) throw new Error('nothing of a write was written')
      written += bytesWritten
    }
  }

  async read(at: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafeSlow(length)
    let end = 0
    while (end < length) {
      const { bytesRead } = await this.calls.run(() => this.handle.read(buffer, end, length - end, at + end))
      if (bytesRead === 0) break
      end += bytesRead
    }
    return end < length ? buffer.subarray(0, end) : buffer
  }

  sync(): Promise<void> {
    return this.calls.run(() => this.handle.datasync())
  }

  async truncate(length: number): Promise<void> {
    await this.calls.run(() => this.handle.truncate(length))
    // fdatasync need not write a length that became less.
    await this.calls.run(() => this.handle.sync())
  }

  close(): Promise<void> {
    return this.handle.close()
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Lets a number of calls run at one time, in the order in which they came. */
class Calls {
  readonly #waiting: (() => void)[] = []
  #free: number

  constructor(count: number) {
    this.#free = count
  }

  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
    try {
      return await call()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free++
    }
  }
}
