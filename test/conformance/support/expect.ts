/** The outcomes that the checklist has short names for. */
import { expect } from 'chai'
import { type Answer, json, locationOf } from './http.js'

/** *page*: an error page; nothing sends the browser to `uri`. */
export function expectPage(answer: Answer, uri?: string): void {
  expect(answer.status, answer.headers.location).to.be.within(400, 499)
  expect(answer.headers.location).to.equal(undefined)
  expect(answer.headers['content-type']).to.match(/^text\/html/)
  expect(answer.headers.refresh).to.equal(undefined)
  expect(answer.body).to.not.match(/http-equiv=["']?refresh/i)
  if (uri !== undefined) expect(answer.body).to.not.include(`="${uri}`)
}

/** *redir(e)*: back to the client with an error, the state and the issuer. */
export function expectRedirect(
  answer: Answer | URL,
  error: string,
  state: string | null = 'af0ifjsldkj',
): void {
  const to = answer instanceof URL ? answer : locationOf(answer)
  if (to === undefined)
    throw new Error(
      `no redirect: ${(answer as Answer).status} ${(answer as Answer).body.slice(0, 300)}`,
    )
  // Errors about response types that use the fragment may come there.
  const members = to.searchParams.has('error')
    ? to.searchParams
    : new URLSearchParams(to.hash.slice(1))
  expect(members.get('error')).to.equal(error)
  expect(members.get('state')).to.equal(state)
  expect(members.get('iss')).to.be.a('string')
  expect(members.get('code')).to.equal(null)
}

/** An error of RFC 6749 section 5.2. */
export function expectError(answer: Answer, status: number, error: string): void {
  expect([answer.status, json(answer).error], answer.body).to.deep.equal([status, error])
}

/** Any 4xx with a JSON error. */
export function expectRefused(answer: Answer): void {
  expect(answer.status, answer.body).to.be.within(400, 499)
  expect(json(answer).error).to.be.a('string')
}
