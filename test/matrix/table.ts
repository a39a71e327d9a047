import type { Gap } from './gaps.ts'

export interface Cell {
  readonly surface: string
  readonly outbound: string
  readonly scenario: string
  readonly mode: 'whole' | 'streamed'
  readonly passed: boolean
}

/** The matrix as Markdown: for each pair how many of its cells pass, the share of all, and every gap with its reason. */
export function tableOf(cells: readonly Cell[], gaps: readonly Gap[]): string {
  const surfaces = [...new Set(cells.map((cell) => cell.surface))]
  const outbounds = [...new Set(cells.map((cell) => cell.outbound))]
  const scenarios = [...new Set(cells.map((cell) => cell.scenario))]
  const share = (of: readonly Cell[]): string => `${of.filter((cell) => cell.passed).length}/${of.length}`
  const rows = surfaces.map((surface) => `| \`${surface}\` | ${outbounds.map((outbound) => share(cells.filter((cell) => cell.surface === surface && cell.outbound === outbound))).join(' | ')} |`)
  const passed = cells.filter((cell) => cell.passed).length
  const percent = cells.length === 0 ? 0 : Math.floor((passed / cells.length) * 1000) / 10
  const lost = gaps.map((gap) => `| ${shown(gap.surface)} | ${shown(gap.outbound)} | ${gap.scenario}${gap.mode ? `, ${gap.mode}` : ''} | \`${gap.of}\`: ${gap.lacks} |`)
  return [
    `${passed} of ${cells.length} cells pass (${percent} %): ${surfaces.length} surfaces, ${outbounds.length} formats of providers, ${scenarios.length} scenarios, whole and streamed.`,
    '',
    `| surface \\ provider | ${outbounds.map((name) => `\`${name}\``).join(' | ')} |`,
    `|---|${outbounds.map(() => '---').join('|')}|`,
    ...rows,
    '',
    `Scenarios: ${scenarios.join(', ')}.`,
    '',
    ...(lost.length > 0 ? ['| surface | provider | what is lost | whose format has no word for it |', '|---|---|---|---|', ...lost] : ['Nothing is lost.']),
    '',
  ].join('\n')
}

const shown = (name: string): string => (name === '*' ? 'every' : `\`${name}\``)
