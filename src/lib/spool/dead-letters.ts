import { decodeRecord, encodeRecord, isRecord, recordBytes } from './codec.js'
import type { Disk, DiskFile } from './disk.js'
import { jsonFrame, jsonOf, readFrames } from './frames.js'
import type { StoredRecord } from './record.js'
import { FORMAT } from './segment.js'

const NAME = /^dead-letters\.(\d+)\.log$/
const FILE_BYTES = 64 * 1024 * 1024

export interface DeadLetter {
  readonly reason: string
  readonly record: StoredRecord
}

/** Events that Kafka refuses for good, each with the reason: files that only an operator removes. */
export class DeadLetters {
  /** Of all files. */
  bytes = 0
  #file: { file: DiskFile; bytes: number } | undefined
  #tail: Promise<unknown> = Promise.resolve()
  #nextName = 1

  /** `files`: those of the directory, with `count` dead letters among them. */
  constructor(
    readonly disk: Disk,
    files: readonly { name: string; bytes: number }[],
    public count: number,
  ) {
    for (const { name, bytes } of files) {
      const [, number] = NAME.exec(name) ?? []
      if (number === undefined) continue
      this.bytes += bytes
      this.#nextName = Math.max(this.#nextName, Number(number) + 1)
    }
  }

  static has(name: string): boolean {
    return NAME.test(name)
  }

  /** Resolves once it is synced. One after the other: they are rare. */
  add(record: StoredRecord, reason: string): Promise<void> {
    const adding = this.#tail.then(() => this.#add(record, reason))
    this.#tail = adding.catch(() => {})
    return adding
  }

  async close(): Promise<void> {
    await this.#tail
    await this.#file?.file.close()
  }

  async #add(record: StoredRecord, reason: string): Promise<void> {
    const frame = Buffer.allocUnsafe(recordBytes(record))
    encodeRecord(frame, 0, record, record.position, record.spooledAt, true)
    const data = Buffer.concat([jsonFrame({ reason }), frame])
    const open = this.#file && this.#file.bytes < FILE_BYTES ? this.#file : await this.#begin()
    try {
      await open.file.write(data, open.bytes)
      await open.file.sync()
      open.bytes += data.length
      this.bytes += data.length
    } catch (error) {
      this.#file = undefined
      await open.file.close().catch(() => {})
      throw error
    }
  }

  async #begin(): Promise<{ file: DiskFile; bytes: number }> {
    await this.#file?.file.close()
    this.#file = undefined
    const header = jsonFrame({ format: FORMAT })
    const file = await this.disk.open(`dead-letters.${this.#nextName++}.log`, 'create')
    try {
      await file.write(header, 0)
      await file.sync()
      await this.disk.syncDirectory()
    } catch (error) {
      await file.close().catch(() => {})
      throw error
    }
    this.bytes += header.length
    this.#file = { file, bytes: header.length }
    return this.#file
  }
}

/** All dead letters of a directory. */
export async function* readDeadLetters(disk: Disk): AsyncGenerator<DeadLetter> {
  for (const { name, bytes } of await disk.list()) {
    if (!DeadLetters.has(name)) continue
    const file = await disk.open(name, 'read')
    try {
      let reason = ''
      for await (const { frames } of readFrames(file, 0, bytes))
        for (const frame of frames)
          if (isRecord(frame)) yield { reason, record: decodeRecord(frame) }
          else reason = String(jsonOf(frame)?.reason ?? '')
    } finally {
      await file.close()
    }
  }
}
