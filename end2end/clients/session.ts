/** What an integrator's page needs before its SIP stack can start. */
export interface Account {
  /** Address of the SIP socket, token included. */
  sipUrl: string;
  /** SIP account name: user part of the address and digest user. */
  name: string;
  password: string;
  /** SIP domain: the proxy's name with `_` as `-`. */
  domain: string;
  number: string;
}

/** Signs in by REST, asks for the line over the CTI socket, and returns the SIP account. */
export async function openAccount(server: string, login: string, password: string): Promise<Account> {
  const answer = await fetch(`${server}/xuc/api/2.0/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ login, password, softwareType: 'webBrowser' }),
  });
  if (!answer.ok) throw new Error(`sign-in answered ${answer.status}`);
  const { token } = (await answer.json()) as { token: string };
  const sockets = server.replace(/^http/, 'ws');
  const line = await lineOf(`${sockets}/xuc/api/2.0/cti?token=${token}`);
  const proxy = line.sipProxyName === 'default' ? '' : `-${line.sipProxyName}`;
  return {
    sipUrl: `${sockets}/wssip${proxy}?token=${token}`,
    name: line.name,
    password: line.password,
    domain: line.sipProxyName.replaceAll('_', '-'),
    number: line.number,
  };
}

interface Line {
  name: string;
  password: string;
  sipProxyName: string;
  number: string;
}

function lineOf(url: string): Promise<Line> {
  return new Promise((found, failed) => {
    const socket = new WebSocket(url);
    socket.onerror = () => failed(new Error('the CTI socket failed'));
    socket.onmessage = ({ data }) => {
      const { msgType, ctiMessage } = JSON.parse(data as string);
      if (msgType === 'LoggedOn') socket.send(JSON.stringify({ claz: 'web', command: 'getConfig', objectType: 'line' }));
      if (msgType === 'LineConfig') {
        found(ctiMessage as Line);
        socket.close();
      }
    };
  });
}

/** What every client page can be told to do; the page offers it as `window.phone`. */
export interface Phone {
  /**
   * Signs in and registers; the display name is what the called party is to see. Where a stack knows session timers, the
   * page refreshes its calls itself by that method; without one, that is left to the server.
   */
  register(server: string, login: string, password: string, displayName: string, refreshBy?: RefreshMethod): Promise<void>;
  call(number: string): void | Promise<void>;
  answer(): void | Promise<void>;
  hold(): void | Promise<void>;
  resume(): void | Promise<void>;
  hangUp(): void | Promise<void>;
  /** Sends the call to another number and leaves it (REFER). */
  transfer?(number: string): void | Promise<void>;
  /** Calls somebody beside the call that is held. */
  consult?(number: string): void | Promise<void>;
  /** Joins both calls and leaves them (REFER with Replaces). */
  complete?(): void | Promise<void>;
  /** Holds by UPDATE instead of re-INVITE. */
  holdByUpdate?(): void | Promise<void>;
  resumeByUpdate?(): void | Promise<void>;
  /** Presses a key, told by INFO. */
  press?(key: string): void | Promise<void>;
  /** Presses a key, sent as an event beside the sound (RFC 4733). */
  pressBeside?(key: string): void | Promise<void>;
  /** Refreshes the session of its call no more, though it has said that it would (RFC 4028). */
  forgetToRefresh?(): void;
}

/** How a page refreshes the sessions of its calls (RFC 4028). */
export type RefreshMethod = 'INVITE' | 'UPDATE';

/** What a client page shows in its output. */
export type PhoneState = 'offline' | 'registered' | 'calling' | 'ringing' | 'in call' | 'on hold' | 'ended' | `failed: ${string}`;

export function show(state: PhoneState): void {
  const output = document.querySelector('output');
  if (output) output.value = state;
}

export function player(): HTMLAudioElement {
  const audio = document.querySelector('audio');
  if (!audio) throw new Error('the page has no audio element');
  return audio;
}

declare global {
  interface Window {
    phone: Phone;
  }
}
