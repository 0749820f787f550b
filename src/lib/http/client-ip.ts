import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'

/** Entries of a forwarding header that are read. A client can write any number of them before the proxies do. */
const MAX_ENTRIES = 64

/** Finds a client's address in what trusted proxies say. */
export class ClientAddress {
  readonly #trusted = new BlockList()

  /** `trusted` are addresses and networks in CIDR. Throws an Error that names a value that is neither. */
  constructor(trusted: readonly string[]) {
    for (const network of trusted) {
      const [address = '', length, ...more] = network.split('/')
      const version = isIP(address)
      const bits = version === 4 ? 32 : 128
      const prefix = length === undefined ? bits : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN
      if (version === 0 || more.length > 0 || !(prefix <= bits))
        throw new Error(`${JSON.stringify(network)} is neither an address nor a network such as "10.0.0.0/8"`)
      this.#trusted.addSubnet(address, prefix, version === 4 ? 'ipv4' : 'ipv6')
    }
  }

  /**
   * From a trusted proxy: the first address of `X-Client-IP`, else of `X-Forwarded-For`. Without these headers: the
   * address of the connection. Undefined where a proxy names no client, because its own address is not the client's.
   */
  of({ headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>): string | undefined {
    const own = addressIn(socket.remoteAddress ?? '')
    if (own === undefined) return undefined
    const client = headers['x-client-ip']
    const forwarded = headers['x-forwarded-for']
    if ((client === undefined && forwarded === undefined) || !this.#trusts(own)) return own
    const entries = [client, forwarded].flatMap(value =>
      value === undefined ? [] : String(value).split(',', MAX_ENTRIES),
    )
    for (const [index, entry] of entries.entries()) {
      const address = addressIn(entry)
      if (address === undefined) continue
      // What follows an entry that hides the client may be a proxy.
      return index > 0 && this.#trusts(address) ? undefined : address
    }
    return undefined
  }

  #trusts(address: string): boolean {
    return this.#trusted.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')
  }
}

/**
 * The address that an entry of a forwarding header names: bare, in quotes, in brackets, with a port. IPv6 has a port
 * behind brackets only, and its zone means nothing on another machine. Undefined for `unknown` and the like.
 */
function addressIn(entry: string): string | undefined {
  const address = entry
    .trim()
    .replace(/^"(.*)"$/, '$1')
    .replace(/^\[(.*)\](?::\d+)?$/, '$1')
    .replace(/%.*$/, '')
    .replace(/^::ffff:(?=\d+\.)/i, '')
    .replace(/^(\d+(?:\.\d+){3}):\d+$/, '$1')
  return isIP(address) === 0 ? undefined : address
}
