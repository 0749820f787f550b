import { crc32c } from '../runtime/crc32c.js'
import type { DiskFile } from './disk.js'

/** A frame of a file: this mark, the checksum of what follows it, the length of the payload, and the payload. */
const MARK = 0x4547_5350
const MARK_BYTES = Buffer.from([0x45, 0x47, 0x53, 0x50])
export const FRAME_BYTES = 12
/** No frame has more; a larger length is a damaged one. */
export const MAX_PAYLOAD = 32 * 1024 * 1024
/** What is read at one time. */
const BLOCK_BYTES = 512 * 1024

export interface Frame {
  /** Where it begins and ends in its file. */
  readonly at: number
  readonly end: number
  readonly payload: Buffer
}

export interface Block {
  readonly frames: readonly Frame[]
  /** Where there is no frame: something was damaged, or never written whole. */
  readonly holes: readonly { readonly at: number; readonly end: number }[]
}

/** Completes a frame of which the payload is in place. */
export function seal(buffer: Buffer, at: number, end: number): void {
  buffer.writeUInt32BE(MARK, at)
  buffer.writeUInt32BE(end - at - FRAME_BYTES, at + 8)
  buffer.writeInt32BE(crc32c(buffer, at + 8, end), at + 4)
}

/** A frame with a JSON object. */
export function jsonFrame(value: object): Buffer {
  const text = JSON.stringify(value)
  const buffer = Buffer.allocUnsafe(FRAME_BYTES + Buffer.byteLength(text))
  buffer.write(text, FRAME_BYTES)
  seal(buffer, 0, buffer.length)
  return buffer
}

/** Its JSON object; undefined if it has something else. */
export function jsonOf({ payload }: Frame): Record<string, unknown> | undefined {
  return payload[0] === 0x7b ? JSON.parse(payload.toString()) : undefined
}

/** Reads all frames of a part of a file. After a damaged one it goes on with the next that is whole. */
export async function* readFrames(file: DiskFile, from: number, to: number): AsyncGenerator<Block> {
  let at = from
  let size = BLOCK_BYTES
  let hole: number | undefined
  while (at < to) {
    const asked = Math.min(size, to - at)
    const block = await file.read(at, asked)
    const isLast = block.length < asked || at + asked === to
    const frames: Frame[] = []
    const holes: Block['holes'][number][] = []
    let i = 0
    size = BLOCK_BYTES
    while (i < block.length) {
      const length = payloadLength(block, i)
      const end = i + FRAME_BYTES + length
      if (length >= 0 && end <= block.length && isIntact(block, i, end)) {
        if (hole !== undefined) holes.push({ at: hole, end: at + i })
        hole = undefined
        frames.push({ at: at + i, end: at + end, payload: block.subarray(i + FRAME_BYTES, end) })
        i = end
        continue
      }
      if (!isLast && (length === SHORT || end > block.length)) {
        size = Math.max(size, end - i)
        break
      }
      hole ??= at + i
      const next = block.indexOf(MARK_BYTES, i + 1)
      // A mark may lie across the end of the block.
      i = next < 0 ? Math.max(i + 1, block.length - (isLast ? 0 : 3)) : next
    }
    at += i
    if (isLast && hole !== undefined) holes.push({ at: hole, end: Math.max(at, to) })
    else if (isLast && at < to) holes.push({ at, end: to })
    if (frames.length + holes.length > 0) yield { frames, holes }
    if (isLast) return
  }
}

const SHORT = -2

/** −1 if no frame begins here, `SHORT` if more must be read to know. */
function payloadLength(block: Buffer, at: number): number {
  if (at + FRAME_BYTES > block.length) return SHORT
  if (block.readUInt32BE(at) !== MARK) return -1
  const length = block.readUInt32BE(at + 8)
  return length > 0 && length <= MAX_PAYLOAD ? length : -1
}

function isIntact(block: Buffer, at: number, end: number): boolean {
  return block.readInt32BE(at + 4) === crc32c(block, at + 8, end)
}
