import { type Event, isObject } from '../eventgate.js'
import { PairCounter } from './metric-set.js'

/** Pairs of an experiment and an instrument, and characters of their names. Clients make them up. */
const MAX_PAIRS = 1000
const MAX_NAME = 100
const OTHER = 'other'

/** Counts events by the experiment that their client is enrolled in, and by the instrument that made them. */
export class Experiments extends PairCounter {
  #pairs = 0

  count({ experiment, instrument_name }: Event): void {
    const enrolled = isObject(experiment) ? nameOf(experiment.enrolled) : ''
    const instrument = nameOf(instrument_name)
    if (enrolled === '' && instrument === '') return
    if (this.has(enrolled, instrument)) this.inc(enrolled, instrument)
    else if (this.#pairs === MAX_PAIRS) this.inc(OTHER, OTHER)
    else {
      this.#pairs++
      this.inc(enrolled, instrument)
    }
  }
}

function nameOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, MAX_NAME) : ''
}
