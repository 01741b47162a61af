"""The keeper: a tiny process that owns one attempt, and the fork server that makes keepers in milliseconds.

Stdlib only, and nothing of Aster: this folder is run by its path (`python -I -S .../keeper serve FOLDER SOCKET`),
so that it starts quickly, outlives the campaign, and is unmoved by what is installed or set in the environment.

    spec.py     what an attempt is told and what it answers
    server.py   the fork server: one a campaign folder, kept single by a lock
    attempt.py  the keeper: runs the stages in order and writes the outcome
    ended.py    how it ends before that
    stage.py    one stage's command line, environment and limits
    tree.py     the stage's processes: started, counted, killed to the last one
    output.py   output, always drained and bounded
    reading.py  metrics and intermediate values in it, and the bars that end a hopeless attempt
    files.py    files that a candidate may have touched
    locks.py    flock: who is alive, who has which GPU
"""
