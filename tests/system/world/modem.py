#!/usr/bin/python3
"""A modem on the abstract socket `modem`, as far as ModemManager's generic plugin asks for one.

Each line of standard input is an order: `sms NUMBER TEXT…`, a message that arrives, or `unplug`, after which nobody answers any more.
"""
import socket
import sys
import threading

SIM_READY = {
    "I": "Example\r\nModem 1\r\n+GCAP: +CGSM",
    "+GCAP": "+GCAP: +CGSM",
    "+CGMI": "Example",
    "+CGMM": "Modem 1",
    "+CGMR": "1.0",
    "+CGSN": "123456789012347",
    "+CIMI": "262011234567890",
    "+CPIN?": "+CPIN: READY",
    "+CFUN?": "+CFUN: 1",
    "+CFUN=?": "+CFUN: (0,1,4)",
    "+CSQ": "+CSQ: 20,99",
    "+CREG?": "+CREG: 2,1",
    "+CGREG?": "+CGREG: 2,1",
    "+CREG=?": "+CREG: (0-2)",
    "+CGREG=?": "+CGREG: (0-2)",
    "+COPS=3,2;+COPS?": '+COPS: 0,2,"26201",2',
    "+COPS=3,0;+COPS?": '+COPS: 0,0,"Example",2',
    "+CMGF=?": "+CMGF: (0,1)",
    "+CSMS=?": "+CSMS: (0,1)",
    "+CSMS?": "+CSMS: 0,1,1,1",
    "+CNMI=?": "+CNMI: (0-2),(0-3),(0,2),(0-2),(0,1)",
    "+CPMS=?": '+CPMS: ("ME","SM"),("ME","SM"),("ME","SM")',
    "+CPMS?": '+CPMS: "ME",0,20,"ME",0,20,"ME",0,20',
    "+CSCS=?": '+CSCS: ("GSM","UCS2")',
    "+CGDCONT=?": '+CGDCONT: (1-5),"IP",,,(0),(0)',
    "+CGDCONT?": '+CGDCONT: 1,"IP","net","",0,0',
    "+CGACT?": "+CGACT: 1,0",
    "+CNUM": '+CNUM: "","+491511234567",145',
    "+CRSM=176,12258,0,0,10": '+CRSM: 144,0,"98101430121181157002"',
    "+CRSM=176,28589,0,0,4": '+CRSM: 144,0,"00000002"',
}
TAKEN = ("", "E0", "V1", "Z", "X4", "&C1", "E0V1", "+CMEE=1")
TAKEN_PREFIXES = ("S0", "+CREG=", "+CGREG=", "+CMGF=", "+CNMI=", "+CPMS=", "+CSCS=", "+COPS=", "+CFUN=", "+CMGD", "+CNMA", "+CGEREP")

messages = {}


def swapped(digits):
    """Digits as GSM 03.40 writes a number: two in a byte, the second one first."""
    digits += "F" * (len(digits) % 2)
    return "".join(digits[i + 1] + digits[i] for i in range(0, len(digits), 2))


def packed(text):
    """Text in the seven bits of GSM, for plain ASCII."""
    bits = sum(ord(letter) << (7 * place) for place, letter in enumerate(text))
    return bits.to_bytes((7 * len(text) + 7) // 8, "little").hex().upper()


def delivered(number, text):
    """SMS-DELIVER, without the address of a centre: sender, time, text."""
    digits = number.lstrip("+")
    sender = f"{len(digits):02X}91{swapped(digits)}"
    return f"00" f"04{sender}0000" f"{swapped('251231235959')}00" f"{len(text):02X}{packed(text)}"


def answer(command):
    if command in SIM_READY:
        return f"\r\n{SIM_READY[command]}\r\n\r\nOK\r\n"
    if command in TAKEN or (command.startswith(TAKEN_PREFIXES) and not command.endswith("?")):
        return "\r\nOK\r\n"
    if command.startswith("+CMGL"):
        rows = [f"+CMGL: {slot},0,,{len(pdu) // 2 - 1}\r\n{pdu}\r\n" for slot, pdu in messages.items()]
        return "\r\n" + "".join(rows) + "\r\nOK\r\n"
    if command.startswith("+CMGR="):
        pdu = messages.get(int(command[6:]))
        return f"\r\n+CMGR: 0,,{len(pdu) // 2 - 1}\r\n{pdu}\r\n\r\nOK\r\n" if pdu else "\r\n+CMS ERROR: 321\r\n"
    return "\r\nERROR\r\n"


def serve(line):
    waiting = b""
    while received := line.recv(4096):
        waiting += received
        while b"\r" in waiting:
            command, waiting = waiting.split(b"\r", 1)
            command = command.strip().decode("latin1").upper()
            if command:
                line.sendall(answer(command.removeprefix("AT").strip()).encode())


def accept(server, lines):
    while True:
        line, _ = server.accept()
        lines.append(line)
        try:
            serve(line)
        except OSError:
            pass


server = socket.socket(socket.AF_UNIX)
server.bind("\0modem")
server.listen()
lines = []
threading.Thread(target=accept, args=(server, lines), daemon=True).start()
for order in sys.stdin:
    word, *rest = order.split(maxsplit=2)
    if word == "sms":
        slot = len(messages) + 1
        messages[slot] = delivered(rest[0], rest[1].rstrip("\n"))
        lines[-1].sendall(f'\r\n+CMTI: "ME",{slot}\r\n'.encode())
    elif word == "unplug":
        break
