/**
 * CRC-32C (Castagnoli), which every record batch and every spooled record carries. Node has CRC-32 only (`zlib.crc32`).
 *
 * Slicing-by-8: eight bytes a step, each looked up in a table of its own, so that the lookups do not wait for
 * one another. One `Int32Array` holds all eight tables.
 */
const TABLES = makeTables()

/** The checksum of `data[start, end)`, as a signed 32-bit integer: the form that `writeInt32BE` takes. */
export function crc32c(data: Uint8Array, start: number, end: number): number {
  const t = TABLES
  let crc = -1
  let i = start
  for (const last = end - 8; i <= last; i += 8) {
    crc =
      at(t, 0x700 + ((crc ^ at(data, i)) & 0xff)) ^
      at(t, 0x600 + (((crc >>> 8) ^ at(data, i + 1)) & 0xff)) ^
      at(t, 0x500 + (((crc >>> 16) ^ at(data, i + 2)) & 0xff)) ^
      at(t, 0x400 + ((crc >>> 24) ^ at(data, i + 3))) ^
      at(t, 0x300 + at(data, i + 4)) ^
      at(t, 0x200 + at(data, i + 5)) ^
      at(t, 0x100 + at(data, i + 6)) ^
      at(t, at(data, i + 7))
  }
  for (; i < end; i++) crc = (crc >>> 8) ^ at(t, (crc ^ at(data, i)) & 0xff)
  return ~crc
}

/** Every index here is in bounds; the type checker cannot know. Inlined by V8. */
function at(array: Int32Array | Uint8Array, index: number): number {
  return array[index] as number
}

function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0)
    tables[byte] = crc
  }
  for (let i = 256; i < tables.length; i++) {
    const before = at(tables, i - 256)
    tables[i] = (before >>> 8) ^ at(tables, before & 0xff)
  }
  return tables
}
