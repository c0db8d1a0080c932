-- The newest record of each ticket, with the platform's words for status and priority.
SELECT _file, _line, "Id", nullif("Requester email", '-') AS "Requester email",
  nullif("Ticket Category [list]", '-') AS "Ticket Category [list]", nullif("Ticket type", '-') AS "Ticket type",
  CASE lower("Priority") WHEN '-' THEN NULL WHEN 'normal' THEN 'Medium' ELSE "Priority" END AS "Priority",
  CASE lower("Status") WHEN '-' THEN NULL WHEN 'new' THEN 'Open' WHEN 'solved' THEN 'Resolved' WHEN 'hold' THEN 'Pending'
    WHEN 'on-hold' THEN 'Pending' ELSE "Status" END AS "Status",
  nullif("Tags", '-') AS "Tags",
  nullif("Created at", '-') AS "Created at", nullif("Solved at", '-') AS "Solved at"
FROM tickets
QUALIFY row_number() OVER (PARTITION BY "Id" ORDER BY "Updated at" DESC NULLS LAST, _file DESC, _line DESC) = 1
