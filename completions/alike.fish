# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_alike_global_optspecs
    string join \n h/help V/version
end

function __fish_alike_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_alike_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_alike_using_subcommand
    set -l cmd (__fish_alike_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c alike -n "__fish_alike_needs_command" -s h -l help -d 'Print help'
complete -c alike -n "__fish_alike_needs_command" -s V -l version -d 'Print version'
complete -c alike -n "__fish_alike_needs_command" -f -a "sync" -d 'Make LEFT and RIGHT agree: changes go both ways'
complete -c alike -n "__fish_alike_needs_command" -f -a "mirror" -d 'Make TARGET equal to SOURCE'
complete -c alike -n "__fish_alike_needs_command" -f -a "diff" -d 'Print what a run would do'
complete -c alike -n "__fish_alike_needs_command" -f -a "conflicts" -d 'List the paths of which there is more than one version'
complete -c alike -n "__fish_alike_needs_command" -f -a "resolve" -d 'Settle conflicts: say which version stays'
complete -c alike -n "__fish_alike_needs_command" -f -a "log" -d 'Print which replica wrote what'
complete -c alike -n "__fish_alike_needs_command" -f -a "index" -d 'Build or refresh the hash tree of a directory'
complete -c alike -n "__fish_alike_needs_command" -f -a "verify" -d 'Read every file again, and tell which have rotted'
complete -c alike -n "__fish_alike_needs_command" -f -a "trash" -d 'List, restore or remove what was overwritten or deleted'
complete -c alike -n "__fish_alike_needs_command" -f -a "daemon" -d 'Keep shares alike with their members, until stopped'
complete -c alike -n "__fish_alike_needs_command" -f -a "add" -d 'Make a directory a share, which the daemon keeps alike with its members'
complete -c alike -n "__fish_alike_needs_command" -f -a "remove" -d 'Keep a share no longer; its directory stays as it is'
complete -c alike -n "__fish_alike_needs_command" -f -a "invite" -d 'Print a ticket with which one other device can join a share'
complete -c alike -n "__fish_alike_needs_command" -f -a "join" -d 'Join a share with a ticket'
complete -c alike -n "__fish_alike_needs_command" -f -a "peers" -d 'List the other members, and where they are'
complete -c alike -n "__fish_alike_needs_command" -f -a "forget" -d 'Take a member off: it gets nothing more'
complete -c alike -n "__fish_alike_needs_command" -f -a "approve" -d 'Let deletes through that the guard holds back'
complete -c alike -n "__fish_alike_needs_command" -f -a "revert" -d 'Let go of what was changed here alone, of a share that only receives'
complete -c alike -n "__fish_alike_needs_command" -f -a "pause" -d 'Let a share rest: it is neither looked at nor met, until `alike resume`'
complete -c alike -n "__fish_alike_needs_command" -f -a "resume" -d 'Go on with a share that rests'
complete -c alike -n "__fish_alike_needs_command" -f -a "status" -d 'Tell what is alike, who lacks what, and why'
complete -c alike -n "__fish_alike_needs_command" -f -a "wait" -d 'Wait until all members hold and show the same'
complete -c alike -n "__fish_alike_needs_command" -f -a "completions" -d 'Print what a shell needs to complete the commands and flags'
complete -c alike -n "__fish_alike_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c alike -n "__fish_alike_using_subcommand sync" -l exclude -d 'Leave out what matches (gitignore syntax)' -r
complete -c alike -n "__fish_alike_using_subcommand sync" -l include -d 'Take in again what an earlier pattern left out' -r
complete -c alike -n "__fish_alike_using_subcommand sync" -l exclude-from -d 'Read gitignore lines from a file' -r -F
complete -c alike -n "__fish_alike_using_subcommand sync" -l max-delete -d 'How many deletes are meant, as a number or in percent of the target\'s entries' -r
complete -c alike -n "__fish_alike_using_subcommand sync" -l backup-dir -d 'Move what is replaced or deleted there, not into the trash; a relative path starts at the target' -r -f -a "(__fish_complete_directories)"
complete -c alike -n "__fish_alike_using_subcommand sync" -l fsync -d 'Make data durable file by file, in batches, or not at all' -r -f -a "each\t''
batch\t''
off\t''"
complete -c alike -n "__fish_alike_using_subcommand sync" -s e -l rsh -d 'The ssh command, with its options' -r -f -a "(__fish_complete_command)"
complete -c alike -n "__fish_alike_using_subcommand sync" -l remote-bin -d 'The program to start on the far side' -r
complete -c alike -n "__fish_alike_using_subcommand sync" -l timeout -d 'Give up on a peer that is silent for so many seconds' -r
complete -c alike -n "__fish_alike_using_subcommand sync" -l bwlimit -d 'Send no more than so much a second, either side: in KiB, or with K, M or G' -r
complete -c alike -n "__fish_alike_using_subcommand sync" -l compress -d 'Pack what shrinks [default: fast, and off on one machine]' -r -f -a "off\t''
fast\t''
best\t''"
complete -c alike -n "__fish_alike_using_subcommand sync" -l congestion -d 'Who decides how much is under way: a model of the path, or what TCP has' -r -f -a "auto\t''
cubic\t''
bbr\t''"
complete -c alike -n "__fish_alike_using_subcommand sync" -l prefer -d 'Decide conflicts instead of keeping every version: the others go to the trash' -r -f -a "newest\t''
left\t''
right\t''"
complete -c alike -n "__fish_alike_using_subcommand sync" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand sync" -s c -l checksum -d 'Read every file again, whatever size and times say'
complete -c alike -n "__fish_alike_using_subcommand sync" -l quick -d 'Take files that were never hashed as equal when size and modification time are'
complete -c alike -n "__fish_alike_using_subcommand sync" -s x -l one-file-system -d 'Stay on the root\'s file system'
complete -c alike -n "__fish_alike_using_subcommand sync" -l no-perms -d 'Leave permission bits alone'
complete -c alike -n "__fish_alike_using_subcommand sync" -l no-xattrs -d 'Leave extended attributes and ACLs alone'
complete -c alike -n "__fish_alike_using_subcommand sync" -l no-owner -d 'Leave owner and group alone'
complete -c alike -n "__fish_alike_using_subcommand sync" -l no-links -d 'Take hard links as separate files'
complete -c alike -n "__fish_alike_using_subcommand sync" -s D -l devices -d 'Keep fifos and devices too'
complete -c alike -n "__fish_alike_using_subcommand sync" -s n -l dry-run -d 'Change nothing; print what a run would do, as `alike diff` does'
complete -c alike -n "__fish_alike_using_subcommand sync" -l keep-extra -d 'Leave what only the target has'
complete -c alike -n "__fish_alike_using_subcommand sync" -l no-trash -d 'Keep nothing of what is replaced or deleted'
complete -c alike -n "__fish_alike_using_subcommand sync" -l delete-excluded -d 'Delete also what patterns and ignore files leave out'
complete -c alike -n "__fish_alike_using_subcommand sync" -l mkpath -d 'Make what is missing above the target'
complete -c alike -n "__fish_alike_using_subcommand sync" -l no-cache -d 'Write no cache of hashes; an existing one is still read'
complete -c alike -n "__fish_alike_using_subcommand sync" -s i -l itemize -d 'Print each change as rsync\'s eleven characters'
complete -c alike -n "__fish_alike_using_subcommand sync" -s v -l verbose -d 'Say more: one line a path that changes, and how the peer is reached'
complete -c alike -n "__fish_alike_using_subcommand sync" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand sync" -l json -d 'Print JSON, one object a line, and nothing else on standard output'
complete -c alike -n "__fish_alike_using_subcommand sync" -l stats -d 'Print a table of figures before the last line'
complete -c alike -n "__fish_alike_using_subcommand sync" -l no-progress -d 'Show no progress bar'
complete -c alike -n "__fish_alike_using_subcommand sync" -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand mirror" -l exclude -d 'Leave out what matches (gitignore syntax)' -r
complete -c alike -n "__fish_alike_using_subcommand mirror" -l include -d 'Take in again what an earlier pattern left out' -r
complete -c alike -n "__fish_alike_using_subcommand mirror" -l exclude-from -d 'Read gitignore lines from a file' -r -F
complete -c alike -n "__fish_alike_using_subcommand mirror" -l max-delete -d 'How many deletes are meant, as a number or in percent of the target\'s entries' -r
complete -c alike -n "__fish_alike_using_subcommand mirror" -l backup-dir -d 'Move what is replaced or deleted there, not into the trash; a relative path starts at the target' -r -f -a "(__fish_complete_directories)"
complete -c alike -n "__fish_alike_using_subcommand mirror" -l fsync -d 'Make data durable file by file, in batches, or not at all' -r -f -a "each\t''
batch\t''
off\t''"
complete -c alike -n "__fish_alike_using_subcommand mirror" -s e -l rsh -d 'The ssh command, with its options' -r -f -a "(__fish_complete_command)"
complete -c alike -n "__fish_alike_using_subcommand mirror" -l remote-bin -d 'The program to start on the far side' -r
complete -c alike -n "__fish_alike_using_subcommand mirror" -l timeout -d 'Give up on a peer that is silent for so many seconds' -r
complete -c alike -n "__fish_alike_using_subcommand mirror" -l bwlimit -d 'Send no more than so much a second, either side: in KiB, or with K, M or G' -r
complete -c alike -n "__fish_alike_using_subcommand mirror" -l compress -d 'Pack what shrinks [default: fast, and off on one machine]' -r -f -a "off\t''
fast\t''
best\t''"
complete -c alike -n "__fish_alike_using_subcommand mirror" -l congestion -d 'Who decides how much is under way: a model of the path, or what TCP has' -r -f -a "auto\t''
cubic\t''
bbr\t''"
complete -c alike -n "__fish_alike_using_subcommand mirror" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand mirror" -s c -l checksum -d 'Read every file again, whatever size and times say'
complete -c alike -n "__fish_alike_using_subcommand mirror" -l quick -d 'Take files that were never hashed as equal when size and modification time are'
complete -c alike -n "__fish_alike_using_subcommand mirror" -s x -l one-file-system -d 'Stay on the root\'s file system'
complete -c alike -n "__fish_alike_using_subcommand mirror" -l no-perms -d 'Leave permission bits alone'
complete -c alike -n "__fish_alike_using_subcommand mirror" -l no-xattrs -d 'Leave extended attributes and ACLs alone'
complete -c alike -n "__fish_alike_using_subcommand mirror" -l no-owner -d 'Leave owner and group alone'
complete -c alike -n "__fish_alike_using_subcommand mirror" -l no-links -d 'Take hard links as separate files'
complete -c alike -n "__fish_alike_using_subcommand mirror" -s D -l devices -d 'Keep fifos and devices too'
complete -c alike -n "__fish_alike_using_subcommand mirror" -s n -l dry-run -d 'Change nothing; print what a run would do, as `alike diff` does'
complete -c alike -n "__fish_alike_using_subcommand mirror" -l keep-extra -d 'Leave what only the target has'
complete -c alike -n "__fish_alike_using_subcommand mirror" -l no-trash -d 'Keep nothing of what is replaced or deleted'
complete -c alike -n "__fish_alike_using_subcommand mirror" -l delete-excluded -d 'Delete also what patterns and ignore files leave out'
complete -c alike -n "__fish_alike_using_subcommand mirror" -l mkpath -d 'Make what is missing above the target'
complete -c alike -n "__fish_alike_using_subcommand mirror" -l no-cache -d 'Write no cache of hashes; an existing one is still read'
complete -c alike -n "__fish_alike_using_subcommand mirror" -s i -l itemize -d 'Print each change as rsync\'s eleven characters'
complete -c alike -n "__fish_alike_using_subcommand mirror" -s v -l verbose -d 'Say more: one line a path that changes, and how the peer is reached'
complete -c alike -n "__fish_alike_using_subcommand mirror" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand mirror" -l json -d 'Print JSON, one object a line, and nothing else on standard output'
complete -c alike -n "__fish_alike_using_subcommand mirror" -l stats -d 'Print a table of figures before the last line'
complete -c alike -n "__fish_alike_using_subcommand mirror" -l no-progress -d 'Show no progress bar'
complete -c alike -n "__fish_alike_using_subcommand mirror" -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand diff" -l exclude -d 'Leave out what matches (gitignore syntax)' -r
complete -c alike -n "__fish_alike_using_subcommand diff" -l include -d 'Take in again what an earlier pattern left out' -r
complete -c alike -n "__fish_alike_using_subcommand diff" -l exclude-from -d 'Read gitignore lines from a file' -r -F
complete -c alike -n "__fish_alike_using_subcommand diff" -l max-delete -d 'How many deletes are meant, as a number or in percent of the target\'s entries' -r
complete -c alike -n "__fish_alike_using_subcommand diff" -l backup-dir -d 'Move what is replaced or deleted there, not into the trash; a relative path starts at the target' -r -f -a "(__fish_complete_directories)"
complete -c alike -n "__fish_alike_using_subcommand diff" -l fsync -d 'Make data durable file by file, in batches, or not at all' -r -f -a "each\t''
batch\t''
off\t''"
complete -c alike -n "__fish_alike_using_subcommand diff" -s e -l rsh -d 'The ssh command, with its options' -r -f -a "(__fish_complete_command)"
complete -c alike -n "__fish_alike_using_subcommand diff" -l remote-bin -d 'The program to start on the far side' -r
complete -c alike -n "__fish_alike_using_subcommand diff" -l timeout -d 'Give up on a peer that is silent for so many seconds' -r
complete -c alike -n "__fish_alike_using_subcommand diff" -l bwlimit -d 'Send no more than so much a second, either side: in KiB, or with K, M or G' -r
complete -c alike -n "__fish_alike_using_subcommand diff" -l compress -d 'Pack what shrinks [default: fast, and off on one machine]' -r -f -a "off\t''
fast\t''
best\t''"
complete -c alike -n "__fish_alike_using_subcommand diff" -l congestion -d 'Who decides how much is under way: a model of the path, or what TCP has' -r -f -a "auto\t''
cubic\t''
bbr\t''"
complete -c alike -n "__fish_alike_using_subcommand diff" -l prefer -d 'Decide conflicts instead of keeping every version: the others go to the trash' -r -f -a "newest\t''
left\t''
right\t''"
complete -c alike -n "__fish_alike_using_subcommand diff" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand diff" -l mirror -d 'Print what `alike mirror LEFT RIGHT` would do, instead of `alike sync LEFT RIGHT`'
complete -c alike -n "__fish_alike_using_subcommand diff" -s c -l checksum -d 'Read every file again, whatever size and times say'
complete -c alike -n "__fish_alike_using_subcommand diff" -l quick -d 'Take files that were never hashed as equal when size and modification time are'
complete -c alike -n "__fish_alike_using_subcommand diff" -s x -l one-file-system -d 'Stay on the root\'s file system'
complete -c alike -n "__fish_alike_using_subcommand diff" -l no-perms -d 'Leave permission bits alone'
complete -c alike -n "__fish_alike_using_subcommand diff" -l no-xattrs -d 'Leave extended attributes and ACLs alone'
complete -c alike -n "__fish_alike_using_subcommand diff" -l no-owner -d 'Leave owner and group alone'
complete -c alike -n "__fish_alike_using_subcommand diff" -l no-links -d 'Take hard links as separate files'
complete -c alike -n "__fish_alike_using_subcommand diff" -s D -l devices -d 'Keep fifos and devices too'
complete -c alike -n "__fish_alike_using_subcommand diff" -s n -l dry-run -d 'Change nothing; print what a run would do, as `alike diff` does'
complete -c alike -n "__fish_alike_using_subcommand diff" -l keep-extra -d 'Leave what only the target has'
complete -c alike -n "__fish_alike_using_subcommand diff" -l no-trash -d 'Keep nothing of what is replaced or deleted'
complete -c alike -n "__fish_alike_using_subcommand diff" -l delete-excluded -d 'Delete also what patterns and ignore files leave out'
complete -c alike -n "__fish_alike_using_subcommand diff" -l mkpath -d 'Make what is missing above the target'
complete -c alike -n "__fish_alike_using_subcommand diff" -l no-cache -d 'Write no cache of hashes; an existing one is still read'
complete -c alike -n "__fish_alike_using_subcommand diff" -s i -l itemize -d 'Print each change as rsync\'s eleven characters'
complete -c alike -n "__fish_alike_using_subcommand diff" -l stat -d 'Print a table of counts instead of paths'
complete -c alike -n "__fish_alike_using_subcommand diff" -l name-only -d 'Print the paths alone'
complete -c alike -n "__fish_alike_using_subcommand diff" -s 0 -l null -d 'Print the paths alone, as raw bytes that end in a NUL'
complete -c alike -n "__fish_alike_using_subcommand diff" -s v -l verbose -d 'Say more: one line a path that changes, and how the peer is reached'
complete -c alike -n "__fish_alike_using_subcommand diff" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand diff" -l json -d 'Print JSON, one object a line, and nothing else on standard output'
complete -c alike -n "__fish_alike_using_subcommand diff" -l stats -d 'Print a table of figures before the last line'
complete -c alike -n "__fish_alike_using_subcommand diff" -l no-progress -d 'Show no progress bar'
complete -c alike -n "__fish_alike_using_subcommand diff" -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand conflicts" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand conflicts" -s v -l verbose -d 'Say more: one line a path that changes, and how the peer is reached'
complete -c alike -n "__fish_alike_using_subcommand conflicts" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand conflicts" -l json -d 'Print JSON, one object a line, and nothing else on standard output'
complete -c alike -n "__fish_alike_using_subcommand conflicts" -l stats -d 'Print a table of figures before the last line'
complete -c alike -n "__fish_alike_using_subcommand conflicts" -l no-progress -d 'Show no progress bar'
complete -c alike -n "__fish_alike_using_subcommand conflicts" -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand resolve" -l keep -d 'What stays: plain (what has the plain name), newest, oldest, both, or the first digits of a digest or a replica' -r
complete -c alike -n "__fish_alike_using_subcommand resolve" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand resolve" -s n -l dry-run -d 'Change nothing; print what a run would do'
complete -c alike -n "__fish_alike_using_subcommand resolve" -l no-trash -d 'Keep nothing of what is given up'
complete -c alike -n "__fish_alike_using_subcommand resolve" -s v -l verbose -d 'Say more: one line a path that changes, and how the peer is reached'
complete -c alike -n "__fish_alike_using_subcommand resolve" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand resolve" -l json -d 'Print JSON, one object a line, and nothing else on standard output'
complete -c alike -n "__fish_alike_using_subcommand resolve" -l stats -d 'Print a table of figures before the last line'
complete -c alike -n "__fish_alike_using_subcommand resolve" -l no-progress -d 'Show no progress bar'
complete -c alike -n "__fish_alike_using_subcommand resolve" -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand log" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand log" -s v -l verbose -d 'Say more: one line a path that changes, and how the peer is reached'
complete -c alike -n "__fish_alike_using_subcommand log" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand log" -l json -d 'Print JSON, one object a line, and nothing else on standard output'
complete -c alike -n "__fish_alike_using_subcommand log" -l stats -d 'Print a table of figures before the last line'
complete -c alike -n "__fish_alike_using_subcommand log" -l no-progress -d 'Show no progress bar'
complete -c alike -n "__fish_alike_using_subcommand log" -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand index" -l exclude -d 'Leave out what matches (gitignore syntax)' -r
complete -c alike -n "__fish_alike_using_subcommand index" -l include -d 'Take in again what an earlier pattern left out' -r
complete -c alike -n "__fish_alike_using_subcommand index" -l exclude-from -d 'Read gitignore lines from a file' -r -F
complete -c alike -n "__fish_alike_using_subcommand index" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand index" -s c -l checksum -d 'Read every file again, whatever size and times say'
complete -c alike -n "__fish_alike_using_subcommand index" -l quick -d 'Take files that were never hashed as equal when size and modification time are'
complete -c alike -n "__fish_alike_using_subcommand index" -s x -l one-file-system -d 'Stay on the root\'s file system'
complete -c alike -n "__fish_alike_using_subcommand index" -l no-perms -d 'Leave permission bits alone'
complete -c alike -n "__fish_alike_using_subcommand index" -l no-xattrs -d 'Leave extended attributes and ACLs alone'
complete -c alike -n "__fish_alike_using_subcommand index" -l no-owner -d 'Leave owner and group alone'
complete -c alike -n "__fish_alike_using_subcommand index" -l no-links -d 'Take hard links as separate files'
complete -c alike -n "__fish_alike_using_subcommand index" -s D -l devices -d 'Keep fifos and devices too'
complete -c alike -n "__fish_alike_using_subcommand index" -l rebuild -d 'Begin anew: read every file, and move what a synced directory remembers aside, into its `.alike`. The next sync joins both sides as if they had never met, and deletes nothing'
complete -c alike -n "__fish_alike_using_subcommand index" -l no-cache -d 'Write no cache of hashes; an existing one is still read'
complete -c alike -n "__fish_alike_using_subcommand index" -s v -l verbose -d 'Say more: one line a path that changes, and how the peer is reached'
complete -c alike -n "__fish_alike_using_subcommand index" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand index" -l json -d 'Print JSON, one object a line, and nothing else on standard output'
complete -c alike -n "__fish_alike_using_subcommand index" -l stats -d 'Print a table of figures before the last line'
complete -c alike -n "__fish_alike_using_subcommand index" -l no-progress -d 'Show no progress bar'
complete -c alike -n "__fish_alike_using_subcommand index" -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand verify" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand verify" -s v -l verbose -d 'Say more: one line a path that changes, and how the peer is reached'
complete -c alike -n "__fish_alike_using_subcommand verify" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand verify" -l json -d 'Print JSON, one object a line, and nothing else on standard output'
complete -c alike -n "__fish_alike_using_subcommand verify" -l stats -d 'Print a table of figures before the last line'
complete -c alike -n "__fish_alike_using_subcommand verify" -l no-progress -d 'Show no progress bar'
complete -c alike -n "__fish_alike_using_subcommand verify" -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand trash; and not __fish_seen_subcommand_from list restore empty help" -s h -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand trash; and not __fish_seen_subcommand_from list restore empty help" -f -a "list" -d 'List what is in the trash of a directory'
complete -c alike -n "__fish_alike_using_subcommand trash; and not __fish_seen_subcommand_from list restore empty help" -f -a "restore" -d 'Bring back what was overwritten or deleted'
complete -c alike -n "__fish_alike_using_subcommand trash; and not __fish_seen_subcommand_from list restore empty help" -f -a "empty" -d 'Remove what is in the trash for good'
complete -c alike -n "__fish_alike_using_subcommand trash; and not __fish_seen_subcommand_from list restore empty help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c alike -n "__fish_alike_using_subcommand trash; and __fish_seen_subcommand_from list" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand trash; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand trash; and __fish_seen_subcommand_from list" -l json -d 'Print JSON, one object a line, and nothing else on standard output'
complete -c alike -n "__fish_alike_using_subcommand trash; and __fish_seen_subcommand_from list" -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand trash; and __fish_seen_subcommand_from restore" -l at -d 'The versions that stood there then: a date such as 2026-11-23 or 2026-11-23T14:30 in UTC, or 2h, 7d ago' -r
complete -c alike -n "__fish_alike_using_subcommand trash; and __fish_seen_subcommand_from restore" -l run -d 'The versions that went in this run, as `list --json` names it; its beginning is enough' -r
complete -c alike -n "__fish_alike_using_subcommand trash; and __fish_seen_subcommand_from restore" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand trash; and __fish_seen_subcommand_from restore" -s n -l dry-run -d 'Change nothing; print what would be restored'
complete -c alike -n "__fish_alike_using_subcommand trash; and __fish_seen_subcommand_from restore" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand trash; and __fish_seen_subcommand_from restore" -l json -d 'Print JSON, one object a line, and nothing else on standard output'
complete -c alike -n "__fish_alike_using_subcommand trash; and __fish_seen_subcommand_from restore" -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand trash; and __fish_seen_subcommand_from empty" -l older-than -d 'Only what went before: 7d, 12h, or a date' -r
complete -c alike -n "__fish_alike_using_subcommand trash; and __fish_seen_subcommand_from empty" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand trash; and __fish_seen_subcommand_from empty" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand trash; and __fish_seen_subcommand_from empty" -l json -d 'Print JSON, one object a line, and nothing else on standard output'
complete -c alike -n "__fish_alike_using_subcommand trash; and __fish_seen_subcommand_from empty" -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand trash; and __fish_seen_subcommand_from help" -f -a "list" -d 'List what is in the trash of a directory'
complete -c alike -n "__fish_alike_using_subcommand trash; and __fish_seen_subcommand_from help" -f -a "restore" -d 'Bring back what was overwritten or deleted'
complete -c alike -n "__fish_alike_using_subcommand trash; and __fish_seen_subcommand_from help" -f -a "empty" -d 'Remove what is in the trash for good'
complete -c alike -n "__fish_alike_using_subcommand trash; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c alike -n "__fish_alike_using_subcommand daemon" -l listen -d 'Listen on this port, or on this address and port, instead of what is configured' -r
complete -c alike -n "__fish_alike_using_subcommand daemon" -l bwlimit -d 'Send at most so much: a rate such as 512k, or times of day with rates: \'08:00,512k 19:00,off\'' -r
complete -c alike -n "__fish_alike_using_subcommand daemon" -l log -d 'Tell what matters at least so much: debug, info, warn or error' -r
complete -c alike -n "__fish_alike_using_subcommand daemon" -l no-mdns -d 'Do not look for members on the local network'
complete -c alike -n "__fish_alike_using_subcommand daemon" -l json -d 'Tell it as JSON, one object a line'
complete -c alike -n "__fish_alike_using_subcommand daemon" -l print-unit -d 'Print a unit for systemd and end'
complete -c alike -n "__fish_alike_using_subcommand daemon" -s h -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand add" -l name -d 'What the share is called: letters, digits, `-`, `_` and `.`' -r
complete -c alike -n "__fish_alike_using_subcommand add" -l role -d 'What this device does: rw, send (its changes go out, none come in) or receive (the reverse)' -r
complete -c alike -n "__fish_alike_using_subcommand add" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand add" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand add" -s h -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand remove" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand remove" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand remove" -s h -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand invite" -l role -d 'What the other device may do: rw, send or receive' -r
complete -c alike -n "__fish_alike_using_subcommand invite" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand invite" -l qr -d 'Print it as a QR code as well'
complete -c alike -n "__fish_alike_using_subcommand invite" -l json -d 'Print JSON, one object'
complete -c alike -n "__fish_alike_using_subcommand invite" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand invite" -s h -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand join" -l name -d 'What the share is called here, where not as on the ticket' -r
complete -c alike -n "__fish_alike_using_subcommand join" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand join" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand join" -s h -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand peers" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand peers" -l pending -d 'List devices that called and are no members'
complete -c alike -n "__fish_alike_using_subcommand peers" -l json -d 'Print JSON, one object a line'
complete -c alike -n "__fish_alike_using_subcommand peers" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand peers" -s h -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand forget" -l share -d 'Of this share alone; without it of all' -r
complete -c alike -n "__fish_alike_using_subcommand forget" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand forget" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand forget" -s h -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand approve" -l max-delete -d 'How many are meant: a number, or a part such as 30%; without it all that are held' -r
complete -c alike -n "__fish_alike_using_subcommand approve" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand approve" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand approve" -s h -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand revert" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand revert" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand revert" -s h -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand pause" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand pause" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand pause" -s h -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand resume" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand resume" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand resume" -s h -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand status" -l html -d 'Write a page that shows it to this file, instead of printing it' -r -F
complete -c alike -n "__fish_alike_using_subcommand status" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand status" -s w -l watch -d 'Tell it again whenever it changes, until Ctrl-C'
complete -c alike -n "__fish_alike_using_subcommand status" -l json -d 'Print JSON, one object a line: first the daemon, then each share'
complete -c alike -n "__fish_alike_using_subcommand status" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand status" -s h -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand wait" -l timeout -d 'Give up after this long: 500ms, 30s, 5m' -r
complete -c alike -n "__fish_alike_using_subcommand wait" -l color -d 'Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c alike -n "__fish_alike_using_subcommand wait" -l live -d 'Members that are down do not count'
complete -c alike -n "__fish_alike_using_subcommand wait" -s q -l quiet -d 'Say nothing but what went wrong'
complete -c alike -n "__fish_alike_using_subcommand wait" -s h -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand completions" -s h -l help -d 'Print help'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "sync" -d 'Make LEFT and RIGHT agree: changes go both ways'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "mirror" -d 'Make TARGET equal to SOURCE'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "diff" -d 'Print what a run would do'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "conflicts" -d 'List the paths of which there is more than one version'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "resolve" -d 'Settle conflicts: say which version stays'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "log" -d 'Print which replica wrote what'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "index" -d 'Build or refresh the hash tree of a directory'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "verify" -d 'Read every file again, and tell which have rotted'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "trash" -d 'List, restore or remove what was overwritten or deleted'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "daemon" -d 'Keep shares alike with their members, until stopped'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "add" -d 'Make a directory a share, which the daemon keeps alike with its members'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "remove" -d 'Keep a share no longer; its directory stays as it is'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "invite" -d 'Print a ticket with which one other device can join a share'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "join" -d 'Join a share with a ticket'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "peers" -d 'List the other members, and where they are'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "forget" -d 'Take a member off: it gets nothing more'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "approve" -d 'Let deletes through that the guard holds back'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "revert" -d 'Let go of what was changed here alone, of a share that only receives'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "pause" -d 'Let a share rest: it is neither looked at nor met, until `alike resume`'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "resume" -d 'Go on with a share that rests'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "status" -d 'Tell what is alike, who lacks what, and why'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "wait" -d 'Wait until all members hold and show the same'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "completions" -d 'Print what a shell needs to complete the commands and flags'
complete -c alike -n "__fish_alike_using_subcommand help; and not __fish_seen_subcommand_from sync mirror diff conflicts resolve log index verify trash daemon add remove invite join peers forget approve revert pause resume status wait completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c alike -n "__fish_alike_using_subcommand help; and __fish_seen_subcommand_from trash" -f -a "list" -d 'List what is in the trash of a directory'
complete -c alike -n "__fish_alike_using_subcommand help; and __fish_seen_subcommand_from trash" -f -a "restore" -d 'Bring back what was overwritten or deleted'
complete -c alike -n "__fish_alike_using_subcommand help; and __fish_seen_subcommand_from trash" -f -a "empty" -d 'Remove what is in the trash for good'
