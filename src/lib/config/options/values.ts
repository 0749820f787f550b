import bytes from 'bytes'

/** Reports what is wrong with a value, or with a part of it: `[0]`, `.name`. */
export type Report = (message: string, part?: string) => void

/** A value of the configuration: its JSON Schema, what it does, and how it is parsed once it fits the schema. */
export interface ValueSchema {
  readonly description?: string
  readonly properties?: Readonly<Record<string, ValueSchema>>
  /** Returns the parsed value. What it throws is reported like anything else that is wrong with the value. */
  readonly read?: (value: never, report: Report) => unknown
  readonly [keyword: string]: unknown
}

/** One option. */
export interface OptionSchema extends ValueSchema {
  /** Markdown, for the documentation. */
  readonly description: string
  readonly default: unknown
}

/** The type of the parsed values that fit a schema. */
export type ValueOf<S> =
  | (S extends { nullable: true } ? null : never)
  | (S extends { read: (...args: never) => infer Value }
      ? Value
      : S extends { enum: readonly (infer Value)[] }
        ? Value
        : S extends { anyOf: readonly (infer Alternative)[] }
          ? ValueOf<Alternative>
          : S extends { type: keyof Primitives }
            ? Primitives[S['type']]
            : S extends { items: infer Item }
              ? readonly ValueOf<Item>[]
              : S extends { properties: infer Properties }
                ? ObjectOf<Properties, S extends { required: readonly (infer Name)[] } ? Name : never>
                : Readonly<
                    Record<string, S extends { additionalProperties: infer Value } ? ValueOf<Value> : unknown>
                  >)

interface Primitives {
  string: string
  integer: number
  number: number
  boolean: boolean
}

type ObjectOf<P, Required> = {
  readonly [Name in keyof P as Name extends Required ? Name : never]: ValueOf<P[Name]>
} & { readonly [Name in keyof P as Name extends Required ? never : Name]?: ValueOf<P[Name]> }

export const text = { type: 'string', minLength: 1 } as const
export const optionalText = { ...text, nullable: true } as const
export const texts = { type: 'array', items: text } as const
export const flag = { type: 'boolean' } as const
export const count = { type: 'integer', minimum: 1 } as const
export const port = { type: 'integer', minimum: 0, maximum: 65535 } as const
export const milliseconds = { type: 'integer', minimum: 1, maximum: 2 ** 31 - 1 } as const
/** 0 switches it off. */
export const optionalMilliseconds = { ...milliseconds, minimum: 0 } as const

/** A number of bytes, or a text such as "10mb"; parsed to bytes. */
export const size = {
  type: ['integer', 'string'],
  minimum: 1,
  pattern: '^\\d+(\\.\\d+)? ?([kmgKMG]?[bB])?$',
  read(value: number | string, report: Report): number {
    const size = bytes.parse(value) ?? 0
    if (size < 1) report('comes to 0 bytes: set at least 1')
    return size
  },
} as const

/** A text that fits into the value of a header. */
export const headerText = { type: 'string', pattern: '^[\\x20-\\x7e]+$' } as const

/** A path, or a `file:` or `http(s):` URI. */
export function readLocation(location: string, report: Report): string {
  if (/^(?!https?:|file:)[a-z][a-z0-9+.-]+:\/\//i.test(location))
    report(`has ${JSON.stringify(location)}, which is neither a path nor a file: or http(s): URI`)
  return location
}
