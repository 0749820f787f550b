import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'

/** Decides whose word on a client's address counts. */
export class ClientAddress {
  readonly #trusted = new BlockList()

  /** `trusted`: addresses and networks in CIDR. Throws an Error that names one that is neither. */
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
   * `X-Client-IP`, else the leftmost of `X-Forwarded-For`, from a trusted proxy; else the address of the
   * connection (CONTRACT 2.1). What a proxy says and is no address is passed over.
   */
  of({ headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>): string | undefined {
    const own = socket.remoteAddress?.replace(/^::ffff:(?=\d+\.)/, '')
    if (own === undefined) return undefined
    const client = headers['x-client-ip']
    const forwarded = headers['x-forwarded-for']
    if ((client === undefined && forwarded === undefined) || !this.#trusts(own)) return own
    const said = [client, String(forwarded ?? '').split(',')[0]].map(value => String(value ?? '').trim())
    // node:net takes an address with a zone, which may be any text and means nothing elsewhere.
    return said.find(value => isIP(value) !== 0 && !value.includes('%')) ?? own
  }

  #trusts(address: string): boolean {
    const version = isIP(address)
    return version !== 0 && this.#trusted.check(address, version === 4 ? 'ipv4' : 'ipv6')
  }
}
