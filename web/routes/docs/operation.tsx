import { Link, useLoaderData, type LoaderFunctionArgs, type MetaFunction } from 'react-router'
import { headed } from '../../data/head.ts'
import { nowhere } from '../../data/nowhere.ts'
import { originOf } from '../../data/origin.ts'
import { KEY_NAME } from '../../data/samples.ts'
import { siteOf } from '../../site.ts'
import { Code } from '../../ui/code.tsx'
import { Chip } from '../../ui/section.tsx'
import { operationOf, type Content, type Field, type Operation } from './schema.server.ts'
import { TryIt } from './try.tsx'

export async function loader({ params, request, context }: LoaderFunctionArgs) {
  const site = siteOf(context)
  const operation = operationOf(site.openApi(), params['operation'] ?? '')
  if (operation === null) throw nowhere()
  return { operation: withModel(operation, (await site.home()).sample), origin: originOf(request), version: site.version }
}

/** An example that names a model which nobody here can call would be answered with a failure. */
function withModel(operation: Operation, model: string): Operation {
  const example = operation.body?.example
  return example ? { ...operation, body: { ...operation.body!, example: example.replace(/("model": )"[^"]*"/, (_, key: string) => `${key}${JSON.stringify(model)}`) } } : operation
}

export const meta: MetaFunction<typeof loader> = headed(({ loaderData }) => loaderData
  ? [{ title: `${loaderData.operation.method} ${loaderData.operation.path} · Signalbox` }, { name: 'description', content: loaderData.operation.summary }]
  : [{ title: 'Not here · Signalbox' }])

export default function OperationPage() {
  const { operation, origin, version } = useLoaderData<typeof loader>()
  const { id, method, path, also, tag, summary, keyed, parameters, body, replies } = operation
  return (
    <article>
      <nav aria-label="Breadcrumb" className="text-[0.8125rem] text-soft"><Link to="/docs/api-reference/overview" className="plain">API reference</Link> <span aria-hidden>/</span> {tag}</nav>
      <h1 tabIndex={-1} className="font-mono text-[1.125rem] font-semibold mt-1 outline-none break-all"><span className="text-arm">{method}</span> {path}</h1>
      <p className="mt-2 max-w-[70ch]">{summary}.</p>
      <p className="mt-1 text-[0.8125rem] text-soft">
        {keyed ? 'Needs an API key.' : 'Needs no key.'}
        {also.length > 0 && <> Also at {also.map((other, i) => <span key={other}>{i > 0 && ', '}<span className="font-mono text-xs break-all">{other}</span></span>)}.</>}
      </p>
      <div className="xl:grid xl:grid-cols-[minmax(0,1fr)_26rem] xl:gap-10">
        <div className="min-w-0">
          {parameters.length > 0 && (
            <Part id="parameters" title="Parameters"><ul className="tree">{parameters.map(({ field, place }) => <Node key={field.name} field={field} place={place} />)}</ul></Part>
          )}
          {body && <Part id="body" title="Body"><Shape content={body} /></Part>}
          <Part id="answers" title="Answers">
            {replies.map(({ status, description, contents }) => (
              <details key={status} open={status < '300'} className="reply">
                <summary className="list-none py-2 flex gap-3 border-b border-line"><span className={`font-mono font-semibold ${status < '300' ? 'text-clear' : 'text-soft'}`}>{status}</span><span className="text-soft">{description}</span></summary>
                <div className="pb-3">
                  {contents.length === 0
                    ? <p className="py-2 text-[0.8125rem] text-soft">{status >= '400' ? <>In <Link to="/docs/errors" className="prose-link">the shape of all failures</Link>.</> : 'Nothing more is stated of it.'}</p>
                    : contents.map((content) => <Shape key={content.type} content={content} />)}
                </div>
              </details>
            ))}
          </Part>
        </div>
        <div className="min-w-0">
          <div className="xl:sticky xl:top-6">
            <Part id="sample" title="As a command"><Code label={`${id} with curl`} text={curlOf(operation, origin)} /></Part>
            <TryIt key={id} operation={operation} />
          </div>
        </div>
      </div>
      <p className="mt-10 pt-4 border-t border-line text-[0.8125rem] text-soft">As version {version} serves it. <a href="/openapi.json" className="prose-link">openapi.json</a></p>
    </article>
  )
}

function Part({ id, title, children }: { readonly id: string; readonly title: string; readonly children: React.ReactNode }) {
  return <section aria-labelledby={id} className="pt-7"><h2 id={id} className="text-base font-semibold mb-2">{title}</h2>{children}</section>
}

function Shape({ content }: { readonly content: Content }) {
  const { type, field, note, example } = content
  return (
    <>
      <p className="pt-2 text-xs text-faint font-mono">{type}{note && <span className="font-sans text-soft">: {note}</span>}</p>
      {field && (field.fields.length > 0 || field.forms.length > 0
        ? <ul className="tree">{[...field.fields, ...field.forms].map((each, i) => <Node key={i} field={each} />)}</ul>
        : <p className="py-1 text-[0.8125rem]"><Type field={field} /></p>)}
      {example && <details className="mt-1"><summary className="list-none inline-block py-1 text-[0.8125rem] text-soft prose-link">Example</summary><Code label={`Example of ${type}`} text={example} /></details>}
    </>
  )
}

/** One value, and what is in it, folded. */
function Node({ field, place }: { readonly field: Field; readonly place?: string }) {
  const inner = [...field.fields, ...field.forms]
  return (
    <li>
      <p className="flex flex-wrap items-baseline gap-x-2">
        <span className="font-mono font-medium break-all">{field.name ?? 'or'}</span>
        <Type field={field} />
        {field.required && <Chip strong>required</Chip>}
        {place && <span className="text-xs text-faint">in the {place}</span>}
      </p>
      {field.description && <p className="text-soft text-[0.8125rem] max-w-[65ch]">{field.description}</p>}
      {field.choices.length > 0 && <p className="text-xs text-soft max-w-[65ch] break-words">{field.choices.length === 1 ? 'always ' : 'one of '}{field.choices.map((choice, i) => <span key={choice}>{i > 0 && ', '}<code className="font-mono">{choice}</code></span>)}</p>}
      {(field.limits.length > 0 || field.fallback !== null) && (
        <p className="text-xs text-soft break-words">{[...field.limits, ...(field.fallback === null ? [] : [`${field.fallback} when not sent`])].join('; ')}</p>
      )}
      {inner.length > 0 && (
        <details>
          <summary className="list-none inline-block py-0.5 text-xs text-soft prose-link">{field.forms.length > 0 ? field.fields.length > 0 ? `${inner.length} fields and forms` : `${inner.length} forms` : inner.length === 1 ? '1 field' : `${inner.length} fields`}<span className="sr-only"> of {field.name ?? 'this form'}</span></summary>
          <ul className="tree">{inner.map((each, i) => <Node key={i} field={each} />)}</ul>
        </details>
      )}
    </li>
  )
}

function Type({ field }: { readonly field: Field }) {
  return <span className="text-xs text-faint">{field.type}{field.nullable && ' or null'}</span>
}

/** The operation as it would be typed: parameters that are needed, and the body of the document's example. */
function curlOf({ method, path, parameters, body, keyed }: Operation, origin: string): string {
  const needed = parameters.filter(({ field, place }) => place === 'query' && field.required).map(({ field }) => `${field.name}=${field.name!.toUpperCase()}`)
  const address = `${origin}${path.replace(/\{(\w+)\}/g, (_, name: string) => name.toUpperCase())}${needed.length > 0 ? `?${needed.join('&')}` : ''}`
  return [
    `curl ${method === 'GET' || (method === 'POST' && body) ? '' : `-X ${method} `}${address.includes('?') || address.includes('&') ? `"${address}"` : address}`,
    ...(keyed ? [`  -H "Authorization: Bearer $${KEY_NAME}"`] : []),
    ...(body ? ['  -H "Content-Type: application/json"', `  -d '${(body.example ?? '{}').replaceAll("'", String.raw`'\''`)}'`] : []),
  ].join(' \\\n')
}
