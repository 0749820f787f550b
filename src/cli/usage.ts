/** A command line that cannot be obeyed. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
