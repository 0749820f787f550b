const INTEGER =
  /^[-+]?(?:0|0b[01_]*[01]|0x[\da-fA-F_]*[\da-fA-F]|0[0-7_]*[0-7]|[1-9](?:[\d_]*\d)?|[1-9][\d_]*(?::[0-5]?\d)+)$/
const FLOAT =
  /^(?:[-+]?(?:0|[1-9][\d_]*)(?:\.[\d_]*)?(?:[eE][-+]?\d+)?|(?:[-+]\.\d[\d_]*|\.[\d_]+)(?:[eE][-+]?\d+)?|[-+]?\d[\d_]*(?::[0-5]?\d)+\.[\d_]*)(?<!_)$/
const SPECIAL = /^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$/

/** A number as js-yaml 3 reads it, except that `-.5` is a number too; undefined for what is not a number. */
export function numberOf(text: string): number | undefined {
  if (SPECIAL.test(text)) return /nan/i.test(text) ? Number.NaN : text[0] === '-' ? -Infinity : Infinity
  const isInteger = INTEGER.test(text)
  if (!isInteger && !FLOAT.test(text)) return undefined
  const [, sign, digits = ''] = /^([-+]?)(.*)$/.exec(text.replace(/_/g, '')) ?? []
  const parts = digits.split(':')
  const value =
    parts.length > 1
      ? parts.reduce((sum, part) => sum * 60 + Number.parseFloat(part), 0)
      : isInteger && /^0[0-7]/.test(digits)
        ? Number.parseInt(digits, 8)
        : Number(digits)
  return sign === '-' ? -value : value
}
