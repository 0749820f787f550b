import type { ServerResponse } from 'node:http'
import { briefly } from './entry-view.js'
import type { Recorder } from './recorder.js'

/** How long a change waits for others to be sent with it (ms). */
const BATCH_MS = 100
/** How often a comment shows that the connection lives (ms). */
const ALIVE_MS = 15_000
/** Entries, and characters of them, in one message. */
const MAX_BATCH = 200
const MAX_BATCH_LENGTH = 1024 * 1024

/** Sends the entries of a recorder as server-sent events, in batches, and no faster than the client reads. */
export class LiveView {
  readonly #recorder: Recorder
  readonly #res: ServerResponse
  /** The number of the latest entry that was sent. */
  #sent: number
  #resets: number
  #timer: NodeJS.Timeout | undefined
  #unsubscribe: (() => void) | undefined
  readonly #alive: NodeJS.Timeout
  #ended = false

  constructor(recorder: Recorder, res: ServerResponse, since: number) {
    this.#recorder = recorder
    this.#res = res
    this.#sent = since
    // A larger number is one of the process before this one, whose entries are gone.
    this.#resets = since > recorder.lastSeq ? -1 : recorder.resets
    res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' })
    res.write(`retry: 1000\n\n`)
    this.#alive = setInterval(() => this.#isSlow || res.write(':\n\n'), ALIVE_MS)
    this.#send()
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#unsubscribe?.()
    clearTimeout(this.#timer)
    clearInterval(this.#alive)
    this.#res.end()
  }

  get #isSlow(): boolean {
    return this.#res.writableNeedDrain
  }

  #send(): void {
    if (this.#ended) return
    if (this.#isSlow) return void this.#res.once('drain', () => this.#send())
    this.#sendReset()
    this.#sendEntries()
    this.#waitForChange()
  }

  #sendReset(): void {
    const recorder = this.#recorder
    if (recorder.resets === this.#resets) return
    this.#resets = recorder.resets
    this.#sent = (recorder.after(0, 1)[0]?.seq ?? recorder.lastSeq + 1) - 1
    this.#res.write(`id: ${this.#sent}\nevent: reset\ndata: {}\n\n`)
  }

  #sendEntries(): void {
    const entries = this.#recorder.after(this.#sent, MAX_BATCH)
    const [first] = entries
    if (!first) return
    const missed = first.seq - this.#sent - 1
    if (missed > 0) this.#res.write(`event: gap\ndata: ${JSON.stringify({ missed })}\n\n`)
    const texts: string[] = []
    let length = 0
    for (const entry of entries) {
      const text = JSON.stringify(briefly(entry))
      length += text.length
      if (texts.length > 0 && length > MAX_BATCH_LENGTH) break
      texts.push(text)
      this.#sent = entry.seq
    }
    this.#res.write(`id: ${this.#sent}\nevent: entries\ndata: [${texts.join(',')}]\n\n`)
  }

  #waitForChange(): void {
    const later = () => {
      this.#timer = setTimeout(() => this.#send(), BATCH_MS)
    }
    if (this.#sent < this.#recorder.lastSeq) later()
    else this.#unsubscribe = this.#recorder.onceChanged(later)
  }
}
