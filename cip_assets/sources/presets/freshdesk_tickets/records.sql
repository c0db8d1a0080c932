-- The newest record of each ticket, with the platform's words for status and priority.
SELECT _file, _line, "Ticket ID", "Email", "Type", "Tags", "Created time",
  "Priority",
  CASE WHEN lower("Status") LIKE 'waiting on%' THEN 'Pending' ELSE "Status" END AS "Status",
  coalesce("Resolved time", "Closed time") AS resolved
FROM tickets
QUALIFY row_number() OVER (PARTITION BY "Ticket ID" ORDER BY "Last update time" DESC NULLS LAST, _file DESC, _line DESC) = 1
