# A text message reaches the real ModemManager: SmsReceived and its richer trigger run with who wrote what and when. Messages of
# others and a modem that goes away fire nothing.
. /opt/cases/lib.sh
. /opt/world/modem.sh

modem
witness any sms-received
witness mother sms:+49170
witness code 'sms:text=Your code'
for name in mother code; do eventually listens $name; done

text_arrives +491701234567 'Come home'
eventually heard mother 1
events mother | grep '"number": "+491701234567"' | grep '"text": "Come home"' | grep '"received_at": "20' | grep -q '"modem": '
text_arrives +4930123456 'Your code is 4711'
eventually heard code 1
events code | grep -q '"text": "Your code is 4711"'
eventually heard any 2

no_modem
modem
text_arrives +491701234567 'Where are you?'
eventually heard mother 2
eventually heard any 3
heard code 1
forget any mother code
no_modem
