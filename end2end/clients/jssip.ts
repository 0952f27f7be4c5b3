import JsSIP from 'jssip';
import { openAccount, type Phone, player, type RefreshMethod, show } from './session';

type UserAgent = InstanceType<typeof JsSIP.UA>;
type Session = ReturnType<UserAgent['call']>;

/** A softphone on JsSIP, as its documentation shows one: defaults wherever there are any. */
class JsSipPhone implements Phone {
  private agent: UserAgent | undefined;
  private session: Session | undefined;
  /** The call that is held while another is made. */
  private held: Session | undefined;

  async register(server: string, login: string, password: string, displayName: string, refreshBy?: RefreshMethod): Promise<void> {
    const account = await openAccount(server, login, password);
    const agent = new JsSIP.UA({
      sockets: new JsSIP.WebSocketInterface(account.sipUrl),
      uri: `sip:${account.name}@${account.domain}`,
      password: account.password,
      display_name: displayName,
      register_expires: 60,
      ...(refreshBy && { session_timers_force_refresher: true, session_timers_refresh_method: refreshBy }),
    });
    this.agent = agent;
    agent.on('newRTCSession', ({ session }: { session: Session }) => this.follow(session));
    await new Promise<void>((done, failed) => {
      agent.on('registered', () => done());
      agent.on('registrationFailed', ({ cause }: { cause?: string }) => failed(new Error(`registration failed: ${cause}`)));
      agent.start();
    });
    show('registered');
  }

  call(number: string): void {
    this.agent?.call(number, { mediaConstraints: { audio: true, video: false } });
  }

  answer(): void {
    this.session?.answer({ mediaConstraints: { audio: true, video: false } });
  }

  hold(): void {
    this.session?.hold();
  }

  resume(): void {
    this.session?.unhold();
  }

  hangUp(): void {
    this.session?.terminate();
  }

  transfer(number: string): void {
    this.session?.refer(number);
  }

  consult(number: string): void {
    this.held = this.session;
    this.call(number);
  }

  complete(): void {
    if (this.held && this.session) this.held.refer(this.session.remote_identity.uri, { replaces: this.session });
  }

  holdByUpdate(): void {
    this.session?.hold({ useUpdate: true });
  }

  resumeByUpdate(): void {
    this.session?.unhold({ useUpdate: true });
  }

  press(key: string): void {
    this.session?.sendDTMF(key, { transportType: 'INFO' as never });
  }

  pressBeside(key: string): void {
    this.session?.sendDTMF(key, { transportType: 'RFC2833' as never });
  }

  forgetToRefresh(): void {
    const { _sessionTimers } = this.session as unknown as { _sessionTimers: { timer: number } };
    clearTimeout(_sessionTimers.timer);
  }

  private follow(session: Session): void {
    this.session = session;
    show(session.direction === 'incoming' ? 'ringing' : 'calling');
    session.on('confirmed', () => show('in call'));
    session.on('newDTMF', ({ originator, dtmf }: { originator: string; dtmf: { tone: string } }) => {
      if (originator === 'remote') document.title = `key ${dtmf.tone}`;
    });
    session.on('hold', () => show('on hold'));
    session.on('unhold', () => show('in call'));
    session.on('ended', () => show('ended'));
    session.on('failed', ({ cause }: { cause: string }) => show(`failed: ${cause}`));
    const hear = (connection: RTCPeerConnection) => {
      connection.addEventListener('track', ({ streams: [stream] }) => {
        player().srcObject = stream;
      });
    };
    // An outgoing session has its connection already; an incoming one makes it when it answers.
    if (session.connection) hear(session.connection);
    else session.on('peerconnection', ({ peerconnection }: { peerconnection: RTCPeerConnection }) => hear(peerconnection));
  }
}

window.phone = new JsSipPhone();
show('offline');
