import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { GateError, quote } from '../errors.js'

/**
 * Refuses requests that another site's page could send from the developer's own browser: those of another origin.
 * It also refuses host names that the site may have pointed at this address (DNS rebinding).
 */
export class HostCheck {
  readonly #hosts: ReadonlySet<string>

  /** `hosts` are names of this service beside `localhost` and addresses. */
  constructor(hosts: readonly string[]) {
    this.#hosts = new Set(hosts.map(host => host.toLowerCase()))
  }

  /** Why a request is refused; undefined if it is allowed. */
  refusalOf(req: IncomingMessage): GateError | undefined {
    const error = this.hostRefusalOf(req)
    if (error) return error
    const { host = '', origin, 'sec-fetch-site': site } = req.headers
    if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`)
      return new GateError('origin_refused', `pages of ${quote(origin)} may not read this`)
    // Browsers send no origin with requests for scripts and images.
    if (site !== undefined && site !== 'same-origin' && site !== 'none')
      return new GateError('origin_refused', 'pages of other sites may not read this')
    return undefined
  }

  /** Why a request is refused because of its `Host`. */
  hostRefusalOf({ headers: { host = '' } }: IncomingMessage): GateError | undefined {
    // The name without its port and brackets.
    const name = host
      .toLowerCase()
      .replace(/:\d*$/, '')
      .replace(/^\[(.*)\]$/, '$1')
    const isLocal = name === 'localhost' || name.endsWith('.localhost') || isIP(name) > 0
    if (isLocal || this.#hosts.has(name)) return undefined
    const message = `${quote(host)} is not a name of this service: ask localhost, or add it to dev_hosts`
    return new GateError('origin_refused', message)
  }
}
