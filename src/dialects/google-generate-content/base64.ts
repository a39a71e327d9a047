/** Joins pieces of base64 that each end with a padding of their own into one text that ends with one. */
export interface Base64Joiner {
  push(piece: string): string
  /** What is left, padded. */
  end(): string
}

/** Three bytes are four characters: what does not fill three waits for the next piece. */
export function createBase64Joiner(): Base64Joiner {
  let rest: Buffer = Buffer.alloc(0)
  return {
    push(piece) {
      const bytes = Buffer.concat([rest, Buffer.from(piece, 'base64')])
      const whole = bytes.length - (bytes.length % 3)
      rest = bytes.subarray(whole)
      return bytes.toString('base64', 0, whole)
    },
    end() {
      const last = rest.toString('base64')
      rest = Buffer.alloc(0)
      return last
    },
  }
}
