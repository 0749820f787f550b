import type { Disk, DiskFile } from './disk.js'
import type { Segment } from './segment.js'

/** So often a segment must have failed to be read before what cannot be is taken for damaged. */
const MAX_FAILURES = 5
/** What a disk cannot read is at least as large as this, and begins at a multiple of it. */
const PAGE_BYTES = 4096

/** Opens a segment's file for reading; undefined if it is not there. */
export async function openSegment(disk: Disk, segment: Segment): Promise<DiskFile | undefined> {
  try {
    const file = await disk.open(segment.name, 'read')
    return segment.readFailures < MAX_FAILURES ? file : tolerant(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Reads zeros in the place of what cannot be read. */
function tolerant(file: DiskFile): DiskFile {
  const readPages = async (at: number, length: number) => {
    const pages: Buffer[] = []
    for (let from = at; from < at + length; ) {
      const to = Math.min(at + length, from - (from % PAGE_BYTES) + PAGE_BYTES)
      const page = await file.read(from, to - from).catch(zerosFor(to - from))
      pages.push(page)
      if (page.length < to - from) break
      from = to
    }
    return Buffer.concat(pages)
  }
  return {
    write: (data, at) => file.write(data, at),
    sync: () => file.sync(),
    truncate: length => file.truncate(length),
    close: () => file.close(),
    read: (at, length) => file.read(at, length).catch(() => readPages(at, length)),
  }
}

function zerosFor(length: number): (error: NodeJS.ErrnoException) => Buffer {
  return error => {
    if (error.code !== 'EIO') throw error
    return Buffer.alloc(length)
  }
}
