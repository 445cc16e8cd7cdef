#!/usr/bin/env python3
"""A lanchat client in one page, standard library only: chat.py HOST PORT NAME [ROOM] [PIN-FILE].

Registers NAME, or logs in if it is taken. The password is asked for on a terminal; otherwise it is the first line
of standard input. Each further line is a message to ROOM, which is `lobby`, another room, or `@ana` for a private
chat. At the end of input it leaves once everything is on the server's disk: exit status 0 all was stored, 1 not.
It does not reconnect; PROTOCOL §5 and §6 say what that takes.
"""
import getpass, hashlib, json, os, queue, select, socket, ssl, sys, threading, uuid

def der_items(der):                          # DER is tag, length, value: cuts a value into its parts (X.690 §8.1)
    while der:
        start, size = 2, der[1]
        if size & 0x80:
            start, size = 2 + (size & 0x7F), int.from_bytes(der[2:2 + (size & 0x7F)], "big")
        yield der[0], der[:start + size], der[start:start + size]
        der = der[start + size:]

def spki(certificate):                       # the sixth field after the version, which is tagged A0 (RFC 5280 §4.1)
    to_be_signed = next(der_items(next(der_items(certificate))[2]))[2]
    return [whole for tag, whole, _ in der_items(to_be_signed) if tag != 0xA0][5]

def visible(text):                           # what a stranger wrote must not steer the terminal
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

if len(sys.argv) < 4:
    sys.exit(__doc__)
host, port, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
room = sys.argv[4] if len(sys.argv) > 4 else "lobby"
pin_file = sys.argv[5] if len(sys.argv) > 5 else os.path.expanduser("~/.lanchat-pins.json")
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.minimum_version = ssl.TLSVersion.TLSv1_3
context.set_alpn_protocols(["lanchat/1"])
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE     # TLS proves the key, the pin below the server
tls = context.wrap_socket(socket.create_connection((host, port), 10))
tls.settimeout(None)
certificate, received = tls.getpeercert(binary_form=True), b""

def receive():                               # the next frame; waits for it
    global received
    while b"\n" not in received:
        received += tls.recv(65536) or sys.exit("The server closed the connection.")
        if len(received) > 2 << 20:
            sys.exit("The server sent a line over 2 MiB.")
    line, _, received = received.partition(b"\n")
    return json.loads(line)

hello, fingerprint = receive(), hashlib.sha256(spki(certificate)).hexdigest()
if tls.selected_alpn_protocol() != "lanchat/1" or f"{hello['server_id']}.lanchat.invalid".encode() not in certificate:
    sys.exit("This is no lanchat server, or not the one that it says it is.")
pins = json.load(open(pin_file)) if os.path.exists(pin_file) else {}
for known in (f"{host}:{port}", hello["server_id"]):
    if pins.setdefault(known, fingerprint) != fingerprint:
        sys.exit(f"STOP: {known} has another key now.\nIt was {pins[known]}\nIt is  {fingerprint}\n"
                 f"If whoever runs the server confirms the new one, remove the old one from {pin_file}.")
with open(os.open(pin_file + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
    json.dump(pins, out, indent=1)
os.replace(pin_file + ".new", pin_file)
print(visible(hello["name"]), "has the key", fingerprint, file=sys.stderr, flush=True)

def send(kind, **fields):
    tls.sendall(json.dumps({"type": kind, **fields}).encode() + b"\n")

def ask(kind, **fields):                     # for one request at a time, before delivery starts
    send(kind, id=kind, **fields)
    return next(frame for frame in iter(receive, None) if frame.get("id") == kind or frame.get("fatal"))

password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
answer = ask("register", username=name, password=password)
if answer.get("code") in ("name_taken", "registration_closed"):
    answer = ask("login", username=name, password=password)
if answer["type"] != "error" and not room.startswith("@"):
    answer = ask("join", room=room)
if answer["type"] == "error":
    sys.exit(visible(answer["reason"]))

typed, wake, poke = queue.Queue(32), *socket.socketpair()

def read_input():                            # a thread that never touches TLS, which takes one thread at a time
    for line in sys.stdin:
        typed.put(line) or poke.send(b".")
    typed.put(None) or poke.send(b".")

send("attach", id="attach", tail=50)
threading.Thread(target=read_input, daemon=True).start()
waiting, ended, status = set(), False, 0
while True:
    sources = [tls] if ended or len(waiting) >= hello["limits"]["unacked"] else [tls, wake]
    if b"\n" in received or tls.pending() or tls in select.select(sources, [], [])[0]:
        frame = receive()
        if frame["type"] == "message":
            print(visible(f"[{frame['room']}] {frame['username']}: {frame['message']}"), flush=True)
        elif frame["type"] == "error":
            status = 1
            print(visible(frame["reason"]), file=sys.stderr, flush=True)
        elif frame["type"] == "goodbye":
            sys.exit(status if frame.get("id") == "bye" else 1)
        if frame["type"] in ("ack", "error"):
            waiting.discard(frame.get("id"))
    else:
        line = wake.recv(1) and typed.get()
        ended = line is None
        if line and line.strip():
            post = uuid.uuid4().hex
            waiting.add(post)
            send("send", id=post, room=room, message=line.rstrip("\n"))
    if ended and not waiting:
        waiting.add("bye")
        send("bye", id="bye")
