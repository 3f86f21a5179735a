# The part of a desktop that logind hears: it locks and unlocks when it is asked to.
object=$(busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager GetSession s "$XDG_SESSION_ID" | cut -d'"' -f2)
tell() { busctl call org.freedesktop.login1 "$object" org.freedesktop.login1.Session "$@"; }

exec {words}< <(exec stdbuf -oL gdbus monitor --system --dest org.freedesktop.login1 --object-path "$object")
trap 'kill $!' EXIT
trap exit TERM
while read -r -u "$words" line; do
  echo "$line" >>"/tmp/desktop-$XDG_SESSION_ID"
  case $line in
  *Session.Lock*) tell SetLockedHint b true ;;
  *Session.Unlock*) tell SetLockedHint b false ;;
  esac
done
