/** JSON text that goes into a body as it stands: a parse would take its large numbers and the order of its keys. */
export class Verbatim {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** A body as text, with what is verbatim in its place. Keys whose value is undefined are left out. */
export function stringify(value: unknown): string {
  if (value instanceof Verbatim) return value.text
  if (Array.isArray(value)) return `[${value.map((item) => stringify(item)).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const fields: string[] = []
  for (const [key, item] of Object.entries(value)) if (item !== undefined) fields.push(`${JSON.stringify(key)}:${stringify(item)}`)
  return `{${fields.join(',')}}`
}
