-- A ledger of format 4, with the rows that a run of format 3 left behind.
BEGIN TRANSACTION;
CREATE TABLE asked(at REAL NOT NULL, downloads INTEGER NOT NULL);
INSERT INTO "asked" VALUES(1002.0,8);
CREATE TABLE evidence(
  item_id INTEGER PRIMARY KEY, identity TEXT NOT NULL, adopted INTEGER NOT NULL);
INSERT INTO "evidence" VALUES(6,'none',0);
CREATE TABLE file(
  item_id INTEGER PRIMARY KEY, size_bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, proof TEXT NOT NULL,
  mtime_ns INTEGER NOT NULL, done REAL NOT NULL, report INTEGER NOT NULL DEFAULT 0, download_id INTEGER);
INSERT INTO "file" VALUES(6,100,'abababababababababababababababababababababababababababababababab','structure',5,1005.0,1,75);
CREATE TABLE footprint(display_id TEXT PRIMARY KEY, geometry TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE hook_due(display_id TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE hook_ended(
  display_id TEXT PRIMARY KEY, files TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE item(
  item_id INTEGER PRIMARY KEY, relpath TEXT NOT NULL UNIQUE COLLATE NOCASE, name TEXT NOT NULL, kind TEXT NOT NULL,
  scene_entity_id TEXT NOT NULL, scene_display_id TEXT NOT NULL, entity_id TEXT NOT NULL, product_id TEXT NOT NULL,
  system TEXT NOT NULL, routes TEXT NOT NULL, route INTEGER NOT NULL DEFAULT 0,
  group_dataset TEXT, file_groups TEXT NOT NULL DEFAULT '[]', bytes_nominal INTEGER,
  state TEXT NOT NULL CHECK(state IN('planned','requested','preparing','ready','active','done','failed')),
  gen INTEGER NOT NULL DEFAULT 0, run_id TEXT NOT NULL, label TEXT, download_id INTEGER, asked_at REAL,
  spent TEXT NOT NULL DEFAULT '[]',
  asks INTEGER NOT NULL DEFAULT 0, fresh INTEGER NOT NULL DEFAULT 0, missed INTEGER NOT NULL DEFAULT 0,
  next_try REAL NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '', hint TEXT NOT NULL DEFAULT '',
  updated REAL NOT NULL);
INSERT INTO "item" VALUES(1,'2024/F0.TIF','F0.TIF','file','SCENE','DISPLAY','E0','P0','ls_s3','[{"entity_id":"E0","product_id":"P0","system":"ls_s3","available":true},{"entity_id":"E0","product_id":"P1","system":"dds","available":true}]',0,NULL,'[]',100,'planned',0,'run1',NULL,NULL,NULL,'[]',0,0,0,0.0,'','',1001.0);
INSERT INTO "item" VALUES(2,'2024/F1.TIF','F1.TIF','file','SCENE','DISPLAY','E1','P0','ls_s3','[{"entity_id":"E1","product_id":"P0","system":"ls_s3","available":true},{"entity_id":"E1","product_id":"P1","system":"dds","available":true}]',0,NULL,'[]',100,'requested',0,'run1','la-run1-0',NULL,1002.0,'[]',0,0,0,0.0,'','',1002.0);
INSERT INTO "item" VALUES(3,'2024/F2.TIF','F2.TIF','file','SCENE','DISPLAY','E2','P0','ls_s3','[{"entity_id":"E2","product_id":"P0","system":"ls_s3","available":true},{"entity_id":"E2","product_id":"P1","system":"dds","available":true}]',0,NULL,'[]',100,'preparing',0,'run1','la-run1-0',72,1002.0,'[]',0,0,2,0.0,'','',1003.0);
INSERT INTO "item" VALUES(4,'2024/F3.TIF','F3.TIF','file','SCENE','DISPLAY','E3','P0','ls_s3','[{"entity_id":"E3","product_id":"P0","system":"ls_s3","available":true},{"entity_id":"E3","product_id":"P1","system":"dds","available":true}]',0,NULL,'[]',100,'ready',0,'run1','la-run1-0',73,1002.0,'[]',0,0,0,0.0,'','',1003.0);
INSERT INTO "item" VALUES(5,'2024/F4.TIF','F4.TIF','file','SCENE','DISPLAY','E4','P0','ls_s3','[{"entity_id":"E4","product_id":"P0","system":"ls_s3","available":true},{"entity_id":"E4","product_id":"P1","system":"dds","available":true}]',0,NULL,'[]',100,'active',1,'run1','la-run1-0',74,1002.0,'[]',0,0,0,0.0,'','',1004.0);
INSERT INTO "item" VALUES(6,'2024/F5.TIF','F5.TIF','file','SCENE','DISPLAY','E5','P0','ls_s3','[{"entity_id":"E5","product_id":"P0","system":"ls_s3","available":true},{"entity_id":"E5","product_id":"P1","system":"dds","available":true}]',0,NULL,'[]',100,'done',1,'run1','la-run1-0',75,1002.0,'[]',0,0,0,0.0,'','',1005.0);
INSERT INTO "item" VALUES(7,'2024/F6.TIF','F6.TIF','file','SCENE','DISPLAY','E6','P0','ls_s3','[{"entity_id":"E6","product_id":"P0","system":"ls_s3","available":true},{"entity_id":"E6","product_id":"P1","system":"dds","available":true}]',0,NULL,'[]',100,'failed',0,'run1',NULL,NULL,1002.0,'[]',0,0,0,0.0,'no','try',1003.0);
INSERT INTO "item" VALUES(8,'2024/F7.TIF','F7.TIF','file','SCENE','DISPLAY','E7','P0','ls_s3','[{"entity_id":"E7","product_id":"P0","system":"ls_s3","available":true},{"entity_id":"E7","product_id":"P1","system":"dds","available":true}]',0,NULL,'[]',100,'failed',0,'run1','la-run1-0',77,1002.0,'[]',0,0,0,0.0,'still being prepared','later',1003.0);
INSERT INTO "item" VALUES(9,'2024/F8.TIF','F8.TIF','file','SCENE','DISPLAY','E8','P0','ls_s3','[{"entity_id":"E8","product_id":"P0","system":"ls_s3","available":true},{"entity_id":"E8","product_id":"P1","system":"dds","available":true}]',0,NULL,'[]',100,'planned',0,'run1',NULL,NULL,1002.0,'[78]',1,1,0,2000.0,'','',1003.0);
CREATE TABLE measured(
  display_id TEXT NOT NULL, area TEXT NOT NULL, counts TEXT NOT NULL, pixels INTEGER NOT NULL, valid INTEGER NOT NULL,
  cloud INTEGER NOT NULL, shadow INTEGER, snow INTEGER, at REAL NOT NULL,
  PRIMARY KEY(display_id, area, counts)) WITHOUT ROWID;
CREATE TABLE named(planned TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE observed(
  host TEXT NOT NULL, topic TEXT NOT NULL, value TEXT NOT NULL, count INTEGER NOT NULL, low REAL, high REAL,
  first REAL NOT NULL, last REAL NOT NULL, PRIMARY KEY(host, topic, value)) WITHOUT ROWID;
CREATE TABLE part(
  item_id INTEGER PRIMARY KEY, name TEXT NOT NULL, durable INTEGER NOT NULL, facts BLOB NOT NULL);
INSERT INTO "part" VALUES(5,'5.1.part',65536,X'6661637473');
CREATE TABLE replaced(display_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE request(
  label TEXT PRIMARY KEY, run_id TEXT NOT NULL, created REAL NOT NULL, downloads INTEGER NOT NULL,
  foreign_label INTEGER NOT NULL DEFAULT 0);
INSERT INTO "request" VALUES('la-run1-0','run1',1002.0,8,0);
CREATE TABLE run(
  run_id TEXT PRIMARY KEY, started REAL NOT NULL, ended REAL, exit_code INTEGER);
INSERT INTO "run" VALUES('run1',1000.0,NULL,NULL);
CREATE TABLE scene(
  display_id TEXT PRIMARY KEY, entity_id TEXT NOT NULL, dataset TEXT NOT NULL,
  acquired TEXT, cloud_cover REAL, published TEXT, seen REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE scene_list(list_id TEXT PRIMARY KEY, created REAL NOT NULL);
INSERT INTO "scene_list" VALUES('la-list',1006.0);
CREATE TABLE settled(
  display_id TEXT NOT NULL, item_id INTEGER NOT NULL, choice TEXT NOT NULL, files INTEGER NOT NULL, at REAL NOT NULL,
  PRIMARY KEY(display_id, item_id)) WITHOUT ROWID;
INSERT INTO "settled" VALUES('DISPLAY',1,'all',9,1001.0);
INSERT INTO "settled" VALUES('DISPLAY',2,'all',9,1001.0);
INSERT INTO "settled" VALUES('DISPLAY',3,'all',9,1001.0);
INSERT INTO "settled" VALUES('DISPLAY',4,'all',9,1001.0);
INSERT INTO "settled" VALUES('DISPLAY',5,'all',9,1001.0);
INSERT INTO "settled" VALUES('DISPLAY',6,'all',9,1001.0);
INSERT INTO "settled" VALUES('DISPLAY',7,'all',9,1001.0);
INSERT INTO "settled" VALUES('DISPLAY',8,'all',9,1001.0);
INSERT INTO "settled" VALUES('DISPLAY',9,'all',9,1001.0);
CREATE TABLE speed(
  run_id TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, flowing_s REAL NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE staged(system TEXT NOT NULL, waited_s REAL NOT NULL, at REAL NOT NULL);
INSERT INTO "staged" VALUES('ls_s3',5.0,1006.0);
CREATE TABLE stranger(relpath TEXT PRIMARY KEY COLLATE NOCASE, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE superseded(
  relpath TEXT NOT NULL, old TEXT NOT NULL, new TEXT NOT NULL, action TEXT NOT NULL, moved_to TEXT NOT NULL,
  size_bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, at REAL NOT NULL, done INTEGER NOT NULL,
  PRIMARY KEY(relpath, new)) WITHOUT ROWID;
CREATE TABLE sync_item(item_id INTEGER PRIMARY KEY);
CREATE TABLE sync_mark(
  mark TEXT PRIMARY KEY, began REAL NOT NULL, full_at REAL NOT NULL, fields TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sync_scene(
  display_id TEXT PRIMARY KEY, entity_id TEXT NOT NULL, dataset TEXT NOT NULL, acquired TEXT) WITHOUT ROWID;
CREATE TABLE window(
  item_id INTEGER PRIMARY KEY, source TEXT NOT NULL, source_bytes INTEGER NOT NULL, validator TEXT NOT NULL,
  transport TEXT NOT NULL, whole_proof TEXT NOT NULL, tiles INTEGER NOT NULL, box TEXT NOT NULL, no_data TEXT NOT NULL);
CREATE INDEX item_state ON item(run_id, state, next_try);
CREATE INDEX item_label ON item(label, state);
CREATE INDEX item_entity ON item(entity_id);
CREATE INDEX file_report ON file(report) WHERE report = 1;
CREATE INDEX item_scene ON item(scene_display_id);
COMMIT;
PRAGMA user_version=4;
