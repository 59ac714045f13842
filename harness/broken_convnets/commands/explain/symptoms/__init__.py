"""From words such as "my loss does not go down" to a symptom, its questions and its cases."""
