/** One file of the directory. Failures are those of node:fs, with their `code`. */
export interface DiskFile {
  /** Writes all of it at this place, or rejects: then any part of it may be written. */
  write(data: Uint8Array, at: number): Promise<void>
  /** Fewer bytes than asked for only at the end of the file. */
  read(at: number, length: number): Promise<Buffer>
  /** Resolves once its contents and length are on the disk. After it has failed nothing that was not synced is certain. */
  sync(): Promise<void>
  truncate(length: number): Promise<void>
  close(): Promise<void>
}

/** A directory, as the spool sees it; a test brings its own. */
export interface Disk {
  /** What it is, for a person. */
  readonly name: string
  /** Rejects if another process holds the directory. The answer gives it back. */
  lock(): Promise<() => void>
  list(): Promise<{ name: string; bytes: number }[]>
  /** `create`: it must not exist yet. */
  open(name: string, mode: 'create' | 'write' | 'read'): Promise<DiskFile>
  /** Replaces what has the new name. */
  rename(from: string, to: string): Promise<void>
  remove(name: string): Promise<void>
  /** Resolves once names of files are on the disk. */
  syncDirectory(): Promise<void>
}
