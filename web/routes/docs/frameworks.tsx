import { useLoaderData, type LoaderFunctionArgs, type MetaFunction } from 'react-router'
import { headed } from '../../data/head.ts'
import { FRAMEWORKS } from '../../data/frameworks.ts'
import { originOf } from '../../data/origin.ts'
import { siteOf } from '../../site.ts'
import { Code } from '../../ui/code.tsx'
import { DocHead } from './head.tsx'
import { testedVersion } from './versions.server.ts'

export async function loader({ request, context }: LoaderFunctionArgs) {
  const at = { origin: originOf(request), model: (await siteOf(context).home()).sample }
  return FRAMEWORKS.map(({ id, name, language, install, note, packages, program }) => ({
    id, name, language, install, note, program: program(at),
    tested: packages.map((each) => `${each} ${testedVersion(each)}`).join(', '),
  }))
}

export const meta: MetaFunction = headed(() => [
  { title: 'Frameworks · Signalbox' },
  { name: 'description', content: 'One complete program for each client library, with the address of this instance.' },
])

export default function Frameworks() {
  const frameworks = useLoaderData<typeof loader>()
  return (
    <article className="max-w-[52rem]">
      <DocHead part="Begin" title="Frameworks">One complete program for each client. Each of them is run against a server whenever this program is tested.</DocHead>
      <ul className="mt-4 flex flex-wrap gap-x-4 text-[0.8125rem]">{frameworks.map(({ id, name, language }) => <li key={id}><a href={`#${id}`} className="prose-link py-1 inline-block">{name}</a> <span className="text-faint">{language}</span></li>)}</ul>
      {frameworks.map(({ id, name, language, install, note, tested, program }) => (
        <section key={id} aria-labelledby={id} className="pt-8">
          <h2 id={id} className="text-base font-semibold">{name} <span className="text-faint font-normal text-[0.8125rem]">{language}</span></h2>
          <p className="mt-1 text-soft max-w-[75ch]">{note}{tested && <> Run with {tested}.</>}</p>
          {install && <p className="mt-2 font-mono text-[0.78125rem]">{install}</p>}
          <div className="mt-2"><Code label={`${name} in ${language}`} text={program} /></div>
        </section>
      ))}
    </article>
  )
}
