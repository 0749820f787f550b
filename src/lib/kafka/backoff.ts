/** How long to wait after so many failures in a row: twice as long after each. */
export function backoffMs(failures: number, firstMs: number, mostMs: number): number {
  return Math.min(firstMs * 2 ** Math.min(failures, 20), mostMs)
}
