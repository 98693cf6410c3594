import type { Request } from 'express'

/** Whether an answer is for people: browsers ask for HTML by name; programs send no Accept field, or take anything. */
export function wantsPage(request: Pick<Request, 'accepts'>): boolean {
  return request.accepts(['json', 'html']) === 'html'
}
