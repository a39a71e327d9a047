import assert from 'node:assert/strict'
import type { Signalbox } from './signalbox.ts'

// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>

/** Sums of dollars that are the same but for what a float cannot say. */
export const near = (a: number, b: number): void => assert.ok(Math.abs(a - b) < 1e-8, `${a} is ${b}`)

/** Ways to ask a server on any of its surfaces: for a whole answer, which has to be there, and for the events of a stream. */
export function askerOf(box: Pick<Signalbox, 'send'>) {
  return {
    async post(path: string, body: Loose): Promise<Loose> {
      const response = await box.send('POST', `/api/v1${path}`, { body })
      const text = await response.text()
      assert.equal(response.status, 200, text)
      return JSON.parse(text) as Loose
    },
    async events(path: string, body: Loose): Promise<readonly Loose[]> {
      const text = await (await box.send('POST', `/api/v1${path}`, { body: { ...body, stream: true } })).text()
      return [...text.matchAll(/^data: (\{.*)$/gm)].map(([, json]) => JSON.parse(json!) as Loose)
    },
  }
}
