import { GateError, quote } from '../errors.js'
import type { Context, Event, Schema, Stream } from '../eventgate.js'
import { guarded } from '../regexp/linear.js'
import { Inspection, provenFast } from '../regexp/safety.js'

/** Changes an event in place, or throws a GateError to refuse it. Between enrichment and validation. */
export type Transform = (event: Event, schema: Schema, stream: Stream, context: Context) => void

/** What transforms are configured by. */
export interface TransformOptions {
  /** User agents whose events with an `experiment` are refused; as text, they are checked to be fast. */
  userAgentDenylist: readonly (string | RegExp)[]
}

/**
 * Production's transforms, by the names that its configurations give them. `eventgateWikimediaDefaults`
 * stands for what enrichment does anyway.
 */
export const TRANSFORMS: Readonly<Record<string, ((options: TransformOptions) => Transform) | undefined>> = {
  eventgateWikimediaDefaults: undefined,
  processEdgeUniques: makeProcessEdgeUniques,
  testKitchen: ({ userAgentDenylist }) => makeDenyUserAgents(userAgentDenylist),
}

/** Makes those that are named, in this order. */
export function makeTransforms(names: readonly string[], options: TransformOptions): Transform[] {
  return names.flatMap(name => TRANSFORMS[name]?.(options) ?? [])
}

/** What the edge tells of a client's experiments: name → group and subject; undefined if it cannot be read. */
type Enrollments = ReadonlyMap<string, { group: string; subject: string }> | undefined

/**
 * The edge alone knows a client's subject id: an event says `awaiting`, and which experiment and group it
 * means, and gets it from the header (`X-Experiment-Enrollments: name=group/subject;…`). Streams opt in.
 */
function makeProcessEdgeUniques(): Transform {
  // A request's header is read once, for however many events.
  const read = new WeakMap<Context, { enrollments: Enrollments }>()
  return (event, schema, stream, context) => {
    const { producers } = (stream.settings ?? {}) as {
      producers?: { eventgate?: { use_edge_uniques?: unknown } }
    }
    if (producers?.eventgate?.use_edge_uniques !== true) return
    if (!Object.hasOwn(event, 'experiment') || !schema.declares('experiment')) return
    const { experiment } = event
    // What is no experiment is left for validation to judge.
    if (typeof experiment !== 'object' || experiment === null || Array.isArray(experiment)) return
    const { enrolled, assigned, subject_id } = experiment as Event
    const header = context.headers['x-experiment-enrollments']
    if (header === undefined) throw refused('the request has no X-Experiment-Enrollments')
    let once = read.get(context)
    if (!once) {
      once = { enrollments: readEnrollments(String(header)) }
      read.set(context, once)
    }
    const { enrollments } = once
    if (!enrollments)
      throw refused(`X-Experiment-Enrollments is not of the form name=group/subject;…: ${quote(header)}`)
    const own = enrollments.get(enrolled as string)
    if (!own)
      throw refused(`'.experiment.enrolled' is ${quote(enrolled)}, which the request is not enrolled in`)
    if (own.group !== assigned)
      throw refused(
        `'.experiment.assigned' is ${quote(assigned)}, the request is assigned ${quote(own.group)}`,
      )
    if (subject_id !== 'awaiting')
      throw refused(`'.experiment.subject_id' must be "awaiting", it is ${quote(subject_id)}`)
    ;(experiment as Event).subject_id = own.subject
  }
}

function refused(message: string): GateError {
  return new GateError('edge_uniques_refused', message)
}

function readEnrollments(header: string): Enrollments {
  const enrollments = new Map<string, { group: string; subject: string }>()
  for (const part of header.replace(/;\s*$/, '').split(';')) {
    const [, name, group, subject] = /^\s*([^=/\s]+)=([^=/\s]+)\/(\S+)\s*$/.exec(part) ?? []
    if (name === undefined || group === undefined || subject === undefined || enrollments.has(name))
      return undefined
    enrollments.set(name, { group, subject })
  }
  return enrollments
}

/** Throws an Error where an entry is no regular expression, or one that an agent could make slow. */
export function userAgentExpressions(denylist: readonly string[]): RegExp[] {
  // At the start, so that there is time for all of them.
  const inspection = new Inspection(Infinity)
  return denylist
    .flatMap(entry => [entry, ...unquoted(entry)])
    .map(pattern => provenFast(pattern, inspection))
}

/** Charts that quote twice leave doubled backslashes, which would match no agent. */
function unquoted(entry: string): string[] {
  const pattern = entry.replaceAll('\\\\', '\\')
  try {
    guarded(pattern)
    return pattern === entry ? [] : [pattern]
  } catch {
    return []
  }
}

/** Robots take part in no experiment. */
function makeDenyUserAgents(denylist: readonly (string | RegExp)[]): Transform {
  const expressions = denylist.flatMap(entry =>
    entry instanceof RegExp ? entry : userAgentExpressions([entry]),
  )
  return (event, _schema, _stream, context) => {
    if (!Object.hasOwn(event, 'experiment')) return
    const agent = context.headers['user-agent']?.toString() ?? ''
    if (expressions.some(expression => expression.test(agent)))
      throw new GateError('ua_denied', `user agent ${quote(agent)} takes part in no experiment`)
  }
}
