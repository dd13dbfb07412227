"""Everything that talks to a Label Studio server. Only this package imports its SDK, and only when it is needed (it
takes two seconds).

The connection: `client`, `failures` (its errors), `releases` (what works on which release). A project: `project`,
`setup`, `views`, `status`, `checks`. Clips into it: `imports`, `plan`, `tasks`, `media`, `s3`, `advice`. Annotations:
`annotations` (into it), `export` (out of it), and `passes`, `second_pass` and `decisions` (from project to project). A
server of one's own: `serve`, `environments`. What needs no server, as the labelling configuration, is in `labeling`.
"""
