# A photo in ~/Pictures: StorageLibraryContentChangedTrigger tells what happened to it, and the change tracker also what happened
# while no broker ran, or that it cannot know.
. /opt/cases/lib.sh

as_user mkdir -p /home/tester/Bilder /home/tester/Music /home/tester/inbox /home/tester/.config
as_user sh -c 'echo "XDG_PICTURES_DIR=\"\$HOME/Bilder\"" >~/.config/user-dirs.dirs'
witness photos library:pictures+music
witness inbox folder-changes:~/inbox
for name in photos inbox; do eventually listens $name; done

as_user sh -c 'echo raw >~/Bilder/beach.jpg'
as_user mv /home/tester/Bilder/beach.jpg /home/tester/Bilder/sea.jpg
as_user touch /home/tester/elsewhere
as_user rm /home/tester/Bilder/sea.jpg
gone() { events photos | grep '"change": "deleted"' | grep -q 'sea.jpg'; }
eventually gone
events photos | grep '"library": "pictures"' | grep -q '"change": "created".*beach.jpg'
events photos | grep '"change": "renamed"' | grep '"path": "/home/tester/Bilder/sea.jpg"' | grep -q '"previous_path": "/home/tester/Bilder/beach.jpg"'
! events photos | grep elsewhere

as_user sh -c 'echo letter >~/inbox/letter'
arrived() { events inbox | grep -q '"path": "/home/tester/inbox/letter"'; }
eventually arrived
as_user systemctl --user stop bgtask
as_user sh -c 'echo another >~/inbox/another'
as_user systemctl --user start bgtask
told_of_the_gap() { events inbox | grep -qE '"change": "reset"|inbox/another'; }
eventually told_of_the_gap
forget photos inbox
