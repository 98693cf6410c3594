import { expect } from 'chai'
import { Connection } from '../../client/http/connection.js'
import { Attempts } from '../../client/remote/attempts.js'
import type { Reply } from '../../client/remote/channel.js'
import { FileRequests } from '../../client/remote/file-requests.js'
import { filesOverChannels } from '../../client/remote/files-over-channel.js'
import { filesOverHttp } from '../../client/remote/files-over-http.js'
import type { RemoteFiles } from '../../client/remote/remote-files.js'
import type { WireAttributes } from '../../server/wire/inodes.js'
import { codeOf } from './connected-files.js'
import { attributesOf } from './remote/some-attributes.js'

const ASKED = 5

const TRANSPORTS: Record<string, (attributes: WireAttributes) => RemoteFiles> = {
  'a channel': (attributes) => {
    const reply: Reply = {
      result: { outcome: 'done', attributes, copied: 1 },
      content: Buffer.from('x'),
    }
    const http = filesOverHttp(requests(attributes), '/files')
    const channel = { isOver: false, ask: async () => reply }
    const channels = { ...channel, choose: () => channel }
    return filesOverChannels(channels, requests(attributes), http, http)
  },
  HTTP: (attributes) => filesOverHttp(requests(attributes), '/files'),
}

function requests(attributes: WireAttributes): FileRequests {
  const headers = { 'coffer-attributes': JSON.stringify(attributes) }
  return new FileRequests({
    base: 'https://localhost',
    connectionSecret: 'secret',
    attempts: new Attempts(),
    send: async ({ method, headers: asked }) => ({
      status: asked?.Range === undefined ? 200 : 206,
      headers,
      // of a read its bytes; of a change what it says beside the header
      body: Buffer.from(method === 'GET' ? 'x' : JSON.stringify({ ...attributes, copied: 1 })),
    }),
    retry: {
      connection: new Connection(() => 0),
      patience: { milliseconds: 0, whileAwayMilliseconds: 0 },
      lost: () => {},
    },
  })
}

const data = Buffer.from('x')
const CALLS: Record<string, (files: RemoteFiles) => Promise<unknown>> = {
  stat: (files) => files.stat(ASKED),
  read: (files) => files.read(ASKED, 0, 1),
  write: (files) => files.write(ASKED, [{ offset: 0, data }]),
  'write of several ranges': (files) =>
    files.write(ASKED, [
      { offset: 0, data },
      { offset: 9, data },
    ]),
  setAttributes: (files) => files.setAttributes(ASKED, { mode: 0o600 }),
  zero: (files) => files.zero(ASKED, { offset: 0, length: 1, extend: false }),
  copyRange: (files) => files.copyRange({ ino: 9, offset: 0 }, { ino: ASKED, offset: 0 }, 1),
}

for (const [transport, connected] of Object.entries(TRANSPORTS)) {
  describe(`an answer over ${transport} that is about another inode`, () => {
    for (const [call, ask] of Object.entries(CALLS)) {
      it(`makes no sense (${call})`, async () => {
        expect(await codeOf(ask(connected(attributesOf(ASKED))))).to.equal('done')
        expect(await codeOf(ask(connected(attributesOf(ASKED + 1))))).to.equal('EIO')
      })
    }
  })
}
