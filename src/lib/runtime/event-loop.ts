/** Resolves in the next turn of the event loop, so that other requests run in between. */
export async function yieldToEventLoop(): Promise<void> {
  await new Promise(setImmediate)
}
