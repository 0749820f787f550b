// V8 keeps more alive than a value seems to hold:
// - A slice of a text refers to the whole text. A text that was put together is a tree of its pieces until it is read.
// - A Buffer's bytes stay until a collection of the old generation once the Buffer has survived two young ones.
// - A suspended async function keeps its arguments and variables, and a closure keeps everything that any closure of
//   the same scope uses. Code that waits therefore stands in small functions that see no more than they need.

/** A copy of a slice that does not keep the text it was cut from. */
export function detached(text: string): string {
  return Buffer.from(text).toString()
}

/** The same text as one piece, so that the pieces it was made of can be collected. It must not start with NUL. */
export function flattened(text: string): string {
  // Reading a character makes V8 do so, unless the compiler can prove that the result does not depend on it.
  return text.charCodeAt(0) > 0 ? text : ''
}

/** Below this a collection costs less than a transfer. */
const LARGE_BYTES = 16 * 1024

/** Frees the memory of a large Buffer at once. Nobody may use it afterwards. */
export function discard({ buffer, length }: Buffer): void {
  // A Buffer that shares its memory with others, as in Node's pool, must stay.
  if (length < LARGE_BYTES || buffer.byteLength !== length || !(buffer instanceof ArrayBuffer)) return
  structuredClone(buffer, { transfer: [buffer] })
}
