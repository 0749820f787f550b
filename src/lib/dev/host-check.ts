import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { GateError, quote } from '../errors.js'

/**
 * Refuses what a stranger's page in the developer's own browser could ask: by another origin than ours, or by a
 * name of its own that it lets mean our address (DNS rebinding), which an address itself and `localhost` cannot.
 */
export class LocalOnly {
  readonly #hosts: ReadonlySet<string>

  /** `hosts` are more names of this service. */
  constructor(hosts: readonly string[]) {
    this.#hosts = new Set(hosts.map(host => host.toLowerCase()))
  }

  /** Why a request is refused; undefined if it is not. */
  refusalOf(req: IncomingMessage): GateError | undefined {
    const { headers } = req
    const { host = '', origin } = headers
    const error = this.nameRefusalOf(req)
    if (error) return error
    if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`)
      return new GateError('origin_refused', `pages of ${quote(origin)} may not read this`)
    // Browsers name no origin for scripts and pictures.
    const site = headers['sec-fetch-site']
    if (site !== undefined && site !== 'same-origin' && site !== 'none')
      return new GateError('origin_refused', 'pages of other sites may not read this')
    return undefined
  }

  /** Why a request is refused for the name that it calls the service by. */
  nameRefusalOf({ headers: { host = '' } }: IncomingMessage): GateError | undefined {
    if (this.#isOurs(nameOf(host))) return undefined
    const message = `${quote(host)} is no name of this service: ask localhost, or add it to dev_hosts`
    return new GateError('origin_refused', message)
  }

  #isOurs(name: string): boolean {
    return name === 'localhost' || name.endsWith('.localhost') || isIP(name) > 0 || this.#hosts.has(name)
  }
}

/** Without its port and brackets. */
function nameOf(host: string): string {
  return host
    .toLowerCase()
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
}
