"""One child's rows, recomputed from its chart. Read `settler` (who is due) and `child` (what is done) first.

`projection` makes drafts, `results` the rows of results one by one, `row_versions` compares drafts with what is stored;
`lineage` tells afterwards where the values of a row came from.
"""
