import { constants, fstatSync, write as writeToDescriptor } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { GateError } from '../errors.js'
import type { Destination, Event } from '../eventgate.js'
import { yieldToEventLoop } from '../runtime/event-loop.js'
import type { Producer } from './producer.js'

interface Line {
  text: string
  bytes: number
  resolve: () => void
  reject: (error: GateError) => void
}

/** Bytes that may wait for the file. A pipe whose reader is slow fills this and then refuses. */
const MAX_WAITING_BYTES = 32 * 1024 * 1024
/** A pipe that is full is tried again after this long. */
const RETRY_MS = 10
/** Bytes of one write: large enough to be cheap, small enough that the first line does not wait for the last. */
const MAX_WRITE_BYTES = 1024 * 1024

/**
 * Appends one line of JSON an event to a file, a pipe or a terminal (`/dev/stdout`). Lines that come while a
 * write is under way share the next one. An event is stored when its write has returned; nothing is synced.
 */
export class FileProducer implements Producer {
  readonly name: string
  readonly #file: Sink
  readonly #indent: number | undefined
  #waiting: Line[] = []
  #waitingBytes = 0
  #writing: Promise<void> | undefined
  #closed = false
  /** Closed, and the grace is over: what cannot be written at once is not. */
  #abandoned = false
  /** A write that failed half-way left a broken line: the next begins on a new one, so that only that one is lost. */
  #broken: boolean

  private constructor(path: string, file: Sink, pretty: boolean, broken: boolean) {
    this.name = `file ${path}`
    this.#file = file
    this.#indent = pretty ? 2 : undefined
    this.#broken = broken
  }

  /**
   * Opens `path` for appending, creating it. `pretty` writes indented JSON over several lines. If several processes
   * write, it must be a file. Each write to a file is appended as a whole, but long ones to a pipe are mixed.
   */
  static async open(path: string, { pretty = false, isShared = false } = {}): Promise<FileProducer> {
    const file = await openSink(path)
    if (isShared && !(await stat(path)).isFile())
      throw new Error(
        `several workers would mix their lines in ${path}, which is not a file: set output_path to a file, or num_workers to 0`,
      )
    return new FileProducer(path, file, pretty, await isCutOff(path))
  }

  produce(event: Event, _destination: Destination): Promise<void> {
    const text = `${JSON.stringify(event, undefined, this.#indent)}\n`
    const bytes = Buffer.byteLength(text)
    if (this.#closed) return Promise.reject(new GateError('draining', 'the service is shutting down'))
    if (this.#waitingBytes + bytes > MAX_WAITING_BYTES) {
      return Promise.reject(
        new GateError(
          'producer_full',
          `${this.name} does not keep up: ${this.#waitingBytes} bytes wait for it`,
        ),
      )
    }
    this.#waitingBytes += bytes
    return new Promise((resolve, reject) => {
      this.#waiting.push({ text, bytes, resolve, reject })
      this.#writing ??= this.#write()
    })
  }

  async close(graceMs: number): Promise<void> {
    this.#closed = true
    if (this.#writing) await Promise.race([this.#writing, delay(graceMs, undefined, { ref: false })])
    this.#abandoned = true
    for (const line of this.#waiting.splice(0)) {
      line.reject(
        new GateError('deadline_not_stored', 'the service shut down before the event could be written'),
      )
    }
    if (this.#writing) await Promise.race([this.#writing, delay(10 * RETRY_MS, undefined, { ref: false })])
    if (!this.#writing) await this.#file.close()
  }

  async #write(): Promise<void> {
    await yieldToEventLoop()
    while (this.#waiting.length > 0) {
      let count = 0
      let bytes = 0
      do bytes += (this.#waiting[count++] as Line).bytes
      while (count < this.#waiting.length && bytes + (this.#waiting[count] as Line).bytes <= MAX_WRITE_BYTES)
      const lines = this.#waiting.splice(0, count)
      const data = Buffer.from((this.#broken ? '\n' : '') + lines.map(line => line.text).join(''))
      const offset = this.#broken ? 1 : 0
      const { written, error } = await this.#writeAll(data)
      this.#waitingBytes -= bytes
      this.#broken = error ? written > 0 || this.#broken : false
      settle(lines, written - offset, error, this.name)
    }
    this.#writing = undefined
  }

  /** A write may take fewer bytes than it was given: a pipe, a full disk. A pipe that takes none is asked again. */
  async #writeAll(data: Buffer): Promise<{ written: number; error?: NodeJS.ErrnoException }> {
    let written = 0
    while (written < data.length) {
      try {
        written += (await this.#file.write(data, written)).bytesWritten
      } catch (thrown) {
        const error = thrown as NodeJS.ErrnoException
        if (error.code !== 'EAGAIN' || this.#abandoned) return { written, error }
        await delay(RETRY_MS)
      }
    }
    return { written }
  }
}

/** What is used of a FileHandle. */
interface Sink {
  write(data: Buffer, offset: number): Promise<{ bytesWritten: number }>
  close(): Promise<void>
}

/** The standard output as it was given to the process. */
const STDOUT: Sink = {
  write: (data, offset) => promisify(writeToDescriptor)(1, data, offset),
  close: async () => {},
}

/**
 * A pipe is opened without blocking: a write that hangs would take one of Node's few threads, and keep the process from
 * ending. A standard output that is a file is not opened anew, because the log would write over the events. One that is
 * a socket, as some supervisors make it, cannot be.
 */
async function openSink(path: string): Promise<Sink> {
  const { O_APPEND, O_CREAT, O_NONBLOCK, O_WRONLY } = constants
  if (path === '/dev/stdout') {
    const stdout = fstatSync(1)
    if (stdout.isFile() || stdout.isSocket()) return STDOUT
  }
  try {
    return await open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // A pipe of another user's: it is open already, and cannot be opened anew.
    if (path === '/dev/stdout' && code !== 'ENXIO') return STDOUT
    if (code !== 'ENXIO') throw error
    throw new Error(`${path} is a pipe that nobody reads`, { cause: error })
  }
}

/** Whether an earlier process ended within a line. Where that cannot be seen, an empty line does no harm. */
async function isCutOff(path: string): Promise<boolean> {
  const stats = await stat(path)
  if (!stats.isFile() || stats.size === 0) return false
  let reader: FileHandle | undefined
  try {
    reader = await open(path)
    const { buffer } = await reader.read(Buffer.alloc(1), 0, 1, stats.size - 1)
    return buffer.toString() !== '\n'
  } catch {
    return true
  } finally {
    await reader?.close()
  }
}

/** Whole lines before a failure are stored. One that lacks only its end is whole: the next write begins with it. */
function settle(
  lines: readonly Line[],
  written: number,
  error: NodeJS.ErrnoException | undefined,
  name: string,
): void {
  let end = 0
  for (const line of lines) {
    end += line.bytes
    if (end - 1 <= written) line.resolve()
    else
      line.reject(
        new GateError('produce_failed', `${name} could not be written: ${error?.message}`, { cause: error }),
      )
  }
}
