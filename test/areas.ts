/** What `npm test` consists of: the one table of its areas, and which test files an argument selects. */

/**
 * Area → the files it runs, in the order they run: what takes long begins early, so that the run does not end with one file and
 * two idle places. A file belongs to the first area that has it; one that no area has
 * is an error, because a test that nobody runs is worse than none.
 */
export const AREAS = {
  types: /^test\/types\.test\.ts$/,
  lint: /^test\/lint\.test\.ts$/,
  architecture: /^test\/architecture\.test\.ts$/,
  web: /^test\/(e2e|web)\/.*\.test\.ts$/,
  stories: /^test\/stories\/.*\.test\.ts$/,
  clients: /^test\/clients\/.*\.test\.ts$/,
  commands: /^test\/(boot|run|rehearsal|site-build)\.test\.ts$/,
  laws: /^src\/.*laws\.test\.ts$/,
  unit: /^src\/.*\.test\.ts$/,
  docs: /^test\/docs(\/.*)?\.test\.ts$/,
} as const satisfies Record<string, RegExp>

export type Area = keyof typeof AREAS

export type Selection = { files: readonly string[] } | { refused: string }

/**
 * The test files that `args` ask for: none asks for all; an area's name for that area; a path for the test files under
 * it. `all` are paths relative to the project with forward slashes. What cannot be meant is refused by name.
 */
export function select(args: readonly string[], all: readonly string[]): Selection {
  const homeless = all.filter(file => areaOf(file) === undefined)
  if (homeless.length > 0) {
    return { refused: `${homeless.join(', ')}: no area of test/areas.ts has this file, so nothing would run it.` }
  }
  const names = Object.keys(AREAS) as Area[]
  const inOrder = names.flatMap(area => all.filter(file => areaOf(file) === area).toSorted())
  if (args.length === 0) return { files: inOrder }

  const chosen = new Set<string>()
  for (const arg of args) {
    const matches = inOrder.filter(isArea(arg) ? file => areaOf(file) === arg : isUnder(arg))
    if (matches.length === 0) {
      return { refused: isArea(arg)
        ? `The area "${arg}" has no tests yet.`
        : `"${arg}" is no area and no path of a test. The areas are: ${names.join(', ')}.` }
    }
    for (const file of matches) chosen.add(file)
  }
  return { files: inOrder.filter(file => chosen.has(file)) }
}

function areaOf(file: string): Area | undefined {
  return (Object.keys(AREAS) as Area[]).find(area => AREAS[area].test(file))
}

function isArea(arg: string): arg is Area {
  return Object.hasOwn(AREAS, arg)
}

function isUnder(arg: string): (file: string) => boolean {
  const path = arg.replaceAll('\\', '/').replace(/^\.\//, '').replace(/\/$/, '')
  return file => file === path || (path.includes('/') && file.startsWith(`${path}/`))
}
