import type { IncomingMessage } from 'node:http'
import type { GateError } from '../errors.js'
import type { Context, Delivery, Trace } from '../eventgate.js'

// What this folder tells others about requests, each as the interface that it calls.

/** Counts and logs requests. */
export interface RequestObserver {
  /** The body has arrived. */
  bodyReceived(delivery: Delivery, bytes: number): void
  /** The body was read and has this many events. */
  eventsReceived(delivery: Delivery, events: number): void
  /** The request was refused as a whole. */
  refused(error: GateError, request: Pick<Context, 'requestId' | 'trace'>): void
  /** The request was answered. `path` is a route's own name, never what the client wrote. */
  answered(path: string, method: string, status: number, milliseconds: number): void
}

/** Traces requests. */
export interface RequestTracer {
  /** A request has come. Undefined if it cannot be traced. */
  request(req: IncomingMessage, path: string, requestId: string): RequestSpan | undefined
}

export interface RequestSpan {
  readonly trace: Trace
  answered(status: number): void
  /** Ends the span of a request without an answer. Does nothing after one. */
  end(): void
}

/** A request that was refused before any of its events was taken. */
export interface RefusedRequest extends Pick<Context, 'requestId' | 'receivedAt' | 'headers' | 'delivery'> {
  clientIp: string | undefined
  /** As far as it was read. */
  query: Pick<Context, 'schemaUri' | 'stream'>
  /** As far as its body was read. */
  bytes: Buffer | undefined
}
