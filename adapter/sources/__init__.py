"""IN: who brings messages to the inbox. Opens connections and folders; knows no database, no mapping, no patient."""
