import { openAccount, type Phone, player, show } from './session';

// What we use of SIPml5's global object; the package brings no types.

interface StackEvent {
  type: string;
  description: string;
  newSession?: CallSession;
  /** What the stack below has told, for what the event does not say. */
  o_event: { o_message?: { ao_headers: Header[] } };
}

interface Header {
  get_name(): string;
  s_value?: string;
}

interface SessionEvent {
  type: string;
  description: string;
  session: unknown;
  getSipResponseCode(): number;
}

interface Listener<Event> {
  events: '*';
  listener: (event: Event) => void;
}

interface CallSession {
  call(to: string, settings?: object): number;
  accept(settings?: object): number;
  hold(): number;
  resume(): number;
  hangup(): number;
  dtmf(key: string): number;
}

interface Stack {
  start(): number;
  newSession(kind: 'register', settings: object): { register(): number };
  newSession(kind: 'call-audio', settings: object): CallSession;
}

declare const SIPml: {
  setDebugLevel(level: 'fatal' | 'error' | 'warn' | 'info'): void;
  init(done: () => void, failed: (event: StackEvent) => void): void;
  Stack: new (settings: object) => Stack;
};

/** A softphone on SIPml5, set up as pages of XiVO's `xc_webrtc.js` set it up. */
class SipMl5Phone implements Phone {
  private stack: Stack | undefined;
  private session: CallSession | undefined;
  private connected = false;

  async register(server: string, login: string, password: string, displayName: string): Promise<void> {
    const account = await openAccount(server, login, password);
    SIPml.setDebugLevel('error');
    await new Promise<void>((done, failed) => SIPml.init(done, ({ description }) => failed(new Error(description))));
    await new Promise<void>((done, failed) => {
      const follow = ({ type, description, newSession, o_event }: StackEvent) => {
        if (type === 'started') done();
        if (type === 'failed_to_start') failed(new Error(`the stack did not start: ${description}`));
        if (type === 'i_new_call' && newSession) {
          this.session = newSession;
          this.connected = false;
          show('ringing');
          if (o_event.o_message?.ao_headers.some(answersItself)) this.answer();
        }
      };
      this.stack = new SIPml.Stack({
        realm: account.domain,
        impi: account.name,
        impu: `sip:${account.name}@${account.domain}`,
        password: account.password,
        display_name: displayName,
        websocket_proxy_url: account.sipUrl,
        ice_servers: [],
        enable_rtcweb_breaker: false,
        sip_headers: [{ name: 'User-Agent', value: 'XiVO XC WebRTC 1.0' }],
        events_listener: { events: '*', listener: follow } satisfies Listener<StackEvent>,
      });
      this.stack.start();
    });
    await new Promise<void>((done, failed) => {
      const follow = ({ type, description }: SessionEvent) => {
        if (type === 'connected') done();
        if (type === 'terminated') failed(new Error(`registration failed: ${description}`));
      };
      const sip_caps = [{ name: '+sip.ice' }];
      this.stack?.newSession('register', { expires: 60, sip_caps, events_listener: { events: '*', listener: follow } }).register();
    });
    show('registered');
  }

  call(number: string): void {
    this.connected = false;
    this.session = this.stack?.newSession('call-audio', this.settings());
    show('calling');
    this.session?.call(number);
  }

  answer(): void {
    this.session?.accept(this.settings());
  }

  hold(): void {
    this.session?.hold();
  }

  resume(): void {
    this.session?.resume();
  }

  hangUp(): void {
    this.session?.hangup();
  }

  press(key: string): void {
    this.session?.dtmf(key);
  }

  private settings(): object {
    const listener = (event: SessionEvent) => this.follow(event);
    return { audio_remote: player(), events_listener: { events: '*', listener } satisfies Listener<SessionEvent> };
  }

  private follow(event: SessionEvent): void {
    switch (event.type) {
      case 'connected':
        this.connected = true;
        return show('in call');
      case 'm_local_hold_ok':
        return show('on hold');
      case 'm_local_resume_ok':
        return show('in call');
      case 'm_local_hold_nok':
      case 'm_local_resume_nok':
        return show(`failed: ${event.type}`);
      case 'terminated':
        return show(this.connected ? 'ended' : `failed: ${event.description}`);
    }
  }
}

function answersItself(header: Header): boolean {
  return header.get_name() === 'Alert-Info' && header.s_value === 'xivo-autoanswer';
}

window.phone = new SipMl5Phone();
show('offline');
