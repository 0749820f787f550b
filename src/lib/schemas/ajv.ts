import { Ajv, type Options } from 'ajv'
import { guarded } from '../regexp/linear.js'
import { behaveAsAjv6 } from './ajv6.js'
import { type Effort, makeLinear } from './effort.js'
import { formats } from './formats.js'
import type { JsonSchema } from './json-schema.js'

/**
 * Unknown keywords, typos among them, must not refuse a schema. Patterns are compiled as Ajv 6 did, without the u
 * flag. What stands beside a `$ref` means nothing in these dialects.
 */
export const OPTIONS: Options = {
  strict: false,
  useDefaults: true,
  jsPropertySyntax: true,
  unicodeRegExp: false,
  ignoreKeywordsWithRef: true,
  logger: false,
  formats,
  // `code` is for validators that are written out, which these are not.
  code: { regExp: Object.assign(guarded, { code: '' }) },
}

/** An Ajv that validates as Ajv 6 does, in linear time, and knows these documents by their URIs. */
export function makeAjv(options: Options, documents: ReadonlyMap<string, JsonSchema>, effort: Effort): Ajv {
  const ajv = new Ajv({ ...OPTIONS, meta: false, validateSchema: false, ...options })
  makeLinear(ajv, effort)
  behaveAsAjv6(ajv)
  for (const [uri, document] of documents) ajv.addSchema(document, uri)
  return ajv
}
